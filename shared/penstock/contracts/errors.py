"""What a caller did wrong. One class for each decision of the caller.

PenstockError
├── InvalidInput          mend the input: each problem names its field
│   └── LimitExceeded     make it smaller
├── NotFound              use another name
├── Conflict              the thing is not in a state for that
├── RateExceeded          ask more slowly: again after `retry_after_s`
└── Unavailable           try again later
"""

import msgspec

from penstock.contracts.names import did_you_mean


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong with an input. `path` is dotted (`nodes.scan.retry`), `line` is 1-based."""

    path: str
    message: str
    line: int | None = None
    severity: str = "error"  # error | warning


class PenstockError(Exception):
    """Root of every error that a caller can answer."""


class InvalidInput(PenstockError):
    """The input is wrong; `problems` lists everything found, not only the first."""

    def __init__(self, summary: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(summary)
        self.summary = summary
        self.problems = problems

    @classmethod
    def at(cls, path: str, message: str) -> "InvalidInput":
        return cls(f"{path}: {message}", (Problem(path=path, message=message),))


class LimitExceeded(InvalidInput):
    """The input is larger than a limit."""


def in_full(error: PenstockError) -> str:
    """Its sentence, with what is wrong in which field where it is about an input."""
    problems = error.problems if isinstance(error, InvalidInput) else ()
    told = [f"{problem.path}: {problem.message}" for problem in problems]
    return "; ".join([str(error), *(each for each in told if each not in str(error))])


class NotFound(PenstockError):
    """No such thing; `kind` says what was looked for. `known` is a clause that tells what there is."""

    def __init__(self, kind: str, name: str, choices: tuple[str, ...] = (), *, known: str = "") -> None:
        tail = f"; {known}" if known else did_you_mean(name, choices)
        super().__init__(f"no {kind} named '{name}'{tail}")
        self.kind = kind
        self.name = name


class Conflict(PenstockError):
    """The request contradicts what already is."""


class RateExceeded(PenstockError):
    """Asked more often than is allowed; nothing was done."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(PenstockError):
    """A dependency does not answer; the same request may succeed later."""
