"""Why a mode stops an attempt, as the failure that the attempt then has, and how long it may take to obey."""

from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.limits import KIB

ANSWER_BYTES_BEYOND_OUTPUT = 64 * KIB  # what an answer may have around its output: a stack, a log line
CANCEL_GRACE_S = 5.0  # from SIGTERM to SIGKILL
TIMEOUT_GRACE_S = 2.0  # shorter: lease and report wait for it; limits.CLAIM_GRACE is 5 s

ABANDON_GRACE_S = 1.0  # the lease is lost: another runner may begin the same attempt any moment


def abandoned_failure() -> Failure:
    return Failure("Abandoned", "the runner lost the attempt's lease", ErrorClass.LOST)


def cancelled_failure() -> Failure:
    return Failure("Cancelled", "the attempt was cancelled", ErrorClass.ERROR, retryable=False)


def timeout_failure(seconds: float) -> Failure:
    return Failure("Timeout", f"not done within {seconds:g} s", ErrorClass.TIMEOUT)


def output_failure(bytes_max: int) -> Failure:
    return Failure(
        "OutputTooLarge",
        f"the output has more than {bytes_max:,} bytes: write it to a file below /out and return its path",
        ErrorClass.RESOURCE,
    )
