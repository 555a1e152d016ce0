"""Why a call of a model has no answer, in the words that clients of the OpenAI-compatible API know."""

import msgspec

_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "invalid_request_error",
    409: "conflict_error",
    423: "parked",
    429: "rate_limit_error",
    504: "timeout_error",
}


class ModelProblem(Exception):
    """The agent gets `status` and `{"error": {"message", "type", "code"}}`.

    `retry_after_s`: when the provider wants to be asked again.
    """

    def __init__(
        self, status: int, message: str, *, code: str = "", kind: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after_s = status, message, retry_after_s
        self.code = code or ("server_error" if status >= 500 else "invalid_request")
        self.kind = kind or _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")

    @property
    def body(self) -> bytes:
        error = {"message": self.message, "type": self.kind, "param": None, "code": self.code}
        return msgspec.json.encode({"error": error})

    @property
    def headers(self) -> dict[str, str]:
        """The runner has tried again where that could help: a client need not repeat it at once."""
        told = {"x-should-retry": "false"}
        if self.retry_after_s is not None:
            told["retry-after"] = f"{self.retry_after_s:g}"
        return told
