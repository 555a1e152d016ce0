"""Failures that the runner itself finds, in words that say what to mend."""

from agent_runner.redaction import Redaction
from penstock.contracts.errors import InvalidInput, LimitExceeded, NotFound, Unavailable
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.limits import OUTPUT_BYTES_MAX


class AttemptError(Exception):
    """The attempt ends with this failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def invalid(kind: str, message: str) -> Failure:
    return Failure(type=kind, message=message, error_class=ErrorClass.VALIDATION)


def too_large(size: int) -> Failure:
    return Failure(
        type="OutputTooLarge",
        message=f"the output has {size} bytes, at most {OUTPUT_BYTES_MAX} are allowed; "
        "write larger values to a file below PENSTOCK_OUT and return its path",
        error_class=ErrorClass.RESOURCE,
    )


def described(error: Exception) -> Failure | None:
    """What went wrong with an attempt's files, or None if it is nobody's fault but ours."""
    match error:
        case Unavailable():
            return Failure("ArtifactUnavailable", str(error), ErrorClass.CONNECTION)
        case NotFound():
            return invalid("ArtifactMissing", str(error))
        case LimitExceeded():
            return Failure("ArtifactTooLarge", str(error), ErrorClass.RESOURCE)
        case InvalidInput():
            return invalid("ArtifactInvalid", str(error))
        case OSError():
            return Failure(
                type(error).__name__, f"moving the attempt's artifacts: {error}", ErrorClass.TEMPORARY
            )
    return None


def redacted(failure: Failure, redact: Redaction) -> Failure:
    """An agent's words, without the secrets that it was given."""
    stack = redact(failure.stack) if failure.stack else None
    return Failure(failure.type, redact(failure.message), failure.error_class, stack, failure.retryable)
