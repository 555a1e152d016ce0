"""Why an attempt failed, and whether trying again can help. Classes are those of requirement V3."""

from enum import StrEnum

import msgspec

MESSAGE_CHARS_MAX = 4_000
STACK_CHARS_MAX = 16_000


class ErrorClass(StrEnum):
    """What kind of error it was. The first group is worth another attempt, the second is not."""

    TIMEOUT = "timeout"
    NETWORK = "network"
    CONNECTION = "connection"
    TEMPORARY = "temporary"
    RATE_LIMIT = "rate_limit"
    HTTP_502 = "http_502"
    HTTP_503 = "http_503"
    HTTP_504 = "http_504"
    LOST = "lost"  # the runner vanished: its lease lapsed

    VALIDATION = "validation"
    AUTHENTICATION = "authentication"
    AUTHORISATION = "authorisation"
    HTTP_400 = "http_400"
    HTTP_401 = "http_401"
    HTTP_403 = "http_403"
    HTTP_404 = "http_404"
    RESOURCE = "resource"  # the sandbox refused: memory, processes, output size
    ERROR = "error"  # the agent failed and did not say why


RETRYABLE = frozenset(
    {
        ErrorClass.TIMEOUT,
        ErrorClass.NETWORK,
        ErrorClass.CONNECTION,
        ErrorClass.TEMPORARY,
        ErrorClass.RATE_LIMIT,
        ErrorClass.HTTP_502,
        ErrorClass.HTTP_503,
        ErrorClass.HTTP_504,
        ErrorClass.LOST,
    }
)


class Failure(msgspec.Struct, frozen=True):
    """An error as it travels: in results, events, logs and the API. Never empty (requirement H9)."""

    type: str
    message: str
    error_class: ErrorClass = ErrorClass.ERROR
    stack: str | None = None
    retryable: bool | None = None  # the agent's own word; None leaves it to the error class

    def cut(self) -> "Failure":
        """The same failure, within the limits of one message. A stack keeps its end, where the cause is."""
        stack = self.stack[-STACK_CHARS_MAX:] if self.stack else None
        return Failure(self.type, self.message[:MESSAGE_CHARS_MAX], self.error_class, stack, self.retryable)
