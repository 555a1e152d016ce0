"""How an agent says that it failed: exceptions to raise, and the document that any exception becomes.

AgentError                       the class says whether another attempt can help
├── TryAgain        temporary    exit 75: "try again later"
│   └── Conflict                 a row of a store is not as a write expects it (penstock.agents.store)
├── RateLimited     rate_limit   retried
├── NetworkFailed   network      retried
├── ConnectionLost  connection   retried
├── TimedOut        timeout      retried
├── Invalid         validation   not retried
│   ├── InvalidInput             the input does not fit the function's types
│   ├── NoModel                  no language model is configured that the agent may call
│   └── ModelRefused             the model declines to answer
├── NotAuthenticated authentication
├── NotAllowed      authorisation
└── LimitReached    resource
    └── BudgetSpent              no more calls of models may be made for this run, workflow or project

Parked is none of them: nothing failed. It passes every `except Exception`, so that the attempt can end.

Imports nothing: an agent's process starts for every attempt, and each import there is paid by the run.
"""

EXIT_TRY_AGAIN = 75
EXIT_FAILED = 1

_CLASS_OF_BUILTIN = (
    # First match wins; subclasses stand before their bases.
    (TimeoutError, "timeout"),
    (ConnectionError, "connection"),
    (MemoryError, "resource"),
    (RecursionError, "error"),
)


class AgentError(Exception):
    """An error whose kind the agent knows. `error_class` is one of penstock.contracts.failure.ErrorClass."""

    error_class = "error"

    def __init__(self, message: str = "", *, retryable: bool | None = None) -> None:
        super().__init__(message or type(self).__name__)
        self.retryable = retryable


class TryAgain(AgentError):
    """Not now: the same attempt may succeed later."""

    error_class = "temporary"


class RateLimited(AgentError):
    """The other side asks for fewer requests."""

    error_class = "rate_limit"


class NetworkFailed(AgentError):
    """The network did not carry the request."""

    error_class = "network"


class ConnectionLost(AgentError):
    """The other side hung up or refused."""

    error_class = "connection"


class TimedOut(AgentError):
    """The other side did not answer in time."""

    error_class = "timeout"


class Invalid(AgentError):
    """The data is wrong; the same data will be wrong again."""

    error_class = "validation"


class InvalidInput(Invalid):
    """The input does not fit the agent's types. `problems` are (path, message), all that were found."""

    def __init__(self, problems: "list[tuple[str, str]]") -> None:
        super().__init__("; ".join(f"{path}: {message}" if path else message for path, message in problems))
        self.problems = problems


class NoModel(Invalid):
    """There is no language model to call; the message says what to configure."""


class ModelRefused(Invalid):
    """The model declines to answer this, and says why."""


class NotAuthenticated(AgentError):
    """The credentials are missing or wrong."""

    error_class = "authentication"


class NotAllowed(AgentError):
    """The credentials do not permit it."""

    error_class = "authorisation"


class LimitReached(AgentError):
    """A limit on size, memory or number would be exceeded."""

    error_class = "resource"


class Parked(BaseException):
    """This attempt ends here, for it has to wait: another one gets to this point again. Let it pass."""


class BudgetSpent(LimitReached):
    """A budget for language models is spent; the message says which."""


def error_class_of(error: BaseException) -> "str | None":
    """The error class that `error` means, or None when nothing is known of it."""
    if isinstance(error, AgentError):
        return error.error_class
    return next((name for kind, name in _CLASS_OF_BUILTIN if isinstance(error, kind)), None)


def document(error: BaseException) -> "dict[str, object]":
    """`error` as the value of "error" in an agent's answer: type, message, stack and what is known."""
    said: dict[str, object] = {"type": type(error).__name__, "message": str(error) or type(error).__name__}
    error_class = error_class_of(error)
    if error_class is not None:
        said["class"] = error_class
    retryable = getattr(error, "retryable", None)
    if isinstance(retryable, bool):
        said["retryable"] = retryable
    if isinstance(error, InvalidInput):
        said["problems"] = [{"path": path, "message": message} for path, message in error.problems]
    else:
        said["stack"] = _stack(error)
    return said


def _stack(error: BaseException) -> str:
    """The traceback, beginning at the author's own code: our frames above it only distract."""
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("penstock.agents"):
        trace = trace.tb_next
    # When every frame is ours (a result that has no JSON form), all of them are shown.
    return "".join(traceback.format_exception(type(error), error, trace or error.__traceback__))
