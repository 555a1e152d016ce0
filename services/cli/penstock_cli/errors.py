"""What a person can do something about, told on the command line.

CommandError (exit 1)
├── StartFailed       a server or service did not come up; carries the end of its log
├── PortTaken         says who holds the port and which setting moves ours
├── AlreadyRunning    another `penstock up` owns the data folder
├── Unreachable       no orchestrator answers
└── Refused           the orchestrator answered with a problem document
"""

from typing import Any


class CommandError(Exception):
    """Root; `str(error)` is the whole message for a person. `document` is what `-o json` prints."""

    kind = "error"

    def document(self) -> dict[str, Any]:
        return {"error": {"type": self.kind, "message": str(self)}}


class StartFailed(CommandError):
    """A child did not come up."""

    kind = "start-failed"

    def __init__(self, name: str, reason: str, log_tail: str) -> None:
        super().__init__(f"{name} {reason}" + (f". The end of its log:\n{log_tail}" if log_tail else ""))


class PortTaken(CommandError):
    """A port that we want is somebody else's."""

    kind = "port-taken"

    def __init__(self, *, port: int, purpose: str, holder: str | None, setting: str) -> None:
        whose = f"is held by {holder}" if holder else "is taken (by a process that we may not see)"
        advice = f"stop that process, or choose another port: {setting}={port + 1000} penstock up"
        super().__init__(f"port {port} for {purpose} {whose}; {advice}")


class AlreadyRunning(CommandError):
    """Two instances on one data folder would destroy each other's work."""

    kind = "already-running"


class Unreachable(CommandError):
    """Nobody answers at the URL."""

    kind = "unreachable"

    def __init__(self, service: str, url: str, reason: str, *, setting: str) -> None:
        advice = f"start it with `penstock up`, or point {setting} at it"
        super().__init__(f"the {service} does not answer at {url} ({reason}); {advice}")


class Refused(CommandError):
    """A service said no; `problem` is its RFC 9457 document."""

    kind = "refused"

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem_text(problem))
        self.problem = problem

    def document(self) -> dict[str, Any]:
        return {"error": self.problem}


def problem_text(problem: dict[str, Any]) -> str:
    """A problem document for a person: what happened, then each field with what is wrong with it."""
    head = str(problem.get("detail") or problem.get("title") or "the request was refused")
    errors: list[dict[str, Any]] = problem.get("errors") or []
    lines = [_field_line(error) for error in errors]
    tail = [f"  (request {problem['request_id']})"] if problem.get("request_id") else []
    return "\n".join([head, *lines, *tail])


def _field_line(error: dict[str, Any]) -> str:
    where = str(error.get("path") or "(the whole)")
    return f"  {where}: {error.get('message', 'is wrong')}"
