"""`context`: what an agent may know about its attempt, and what it may ask of its runner.

Outside Penstock (a unit test, a shell) it works as far as it honestly can: there is no checkpoint to load,
progress goes to stderr, the out folder is a temporary one; a secret or an artifact raises NotOffered.
"""

import os
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar

from penstock.agents.errors import AgentError

TYPE_CHECKING = False  # typing's own costs 7 ms of each attempt; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path
    from typing import Any, ParamSpec, TypeVar

    from penstock.agents.questions import Answer

    P = ParamSpec("P")
    R = TypeVar("R")

attempt_environment: "ContextVar[Mapping[str, str] | None]" = ContextVar("attempt_environment", default=None)
"""Where one process serves several attempts: this one's variables, named without `PENSTOCK_`."""


class NotOffered(AgentError):
    """The runner does not offer this, or there is no runner."""

    error_class = "authorisation"


class Context:
    """The attempt that the calling code belongs to."""

    def __init__(self) -> None:
        self.checkpoint = Checkpoint()

    @property
    def run(self) -> str:
        """The run's id; "local" outside Penstock."""
        return variable("RUN", "local")

    @property
    def node(self) -> str:
        return variable("NODE")

    @property
    def attempt(self) -> int:
        """1-based."""
        return int(variable("ATTEMPT", "1"))

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this node: send it along with what must happen only once."""
        return variable("IDEMPOTENCY_KEY", "local")

    @property
    def deadline(self) -> "datetime | None":
        """When the attempt is ended, UTC."""
        from datetime import datetime

        text = variable("DEADLINE")
        return datetime.fromisoformat(text) if text else None

    @property
    def traceparent(self) -> "str | None":
        """The W3C header of the trace that this attempt belongs to: send it along with what you call."""
        own = attempt_environment.get()
        return (os.environ if own is None else own).get("TRACEPARENT")

    @property
    def in_folder(self) -> "Path":
        """Where the artifacts among the inputs are, read-only. The input already holds their paths."""
        from pathlib import Path

        return Path(variable("IN", "/in"))

    @property
    def out_folder(self) -> "Path":
        """Where to write files: a returned path below it becomes an artifact. Made when first asked for."""
        from pathlib import Path

        folder = Path(variable("OUT") or _local_out_folder())
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def log(self, message: object, /, **fields: object) -> None:
        """A line in the attempt's log."""
        tail = "".join(f" {name}={value}" for name, value in fields.items())
        print(f"{message}{tail}", file=sys.stderr, flush=True)

    def progress(self, done: float, total: "float | None" = None, message: str = "") -> None:
        """Tell how far the attempt is; shown to those who wait."""
        if not is_offered():
            self.log(f"progress {done}" + (f" of {total}" if total is not None else ""), message=message)
            return
        from penstock.agents.gateway import call

        call("POST", "/progress", json={"done": done, "total": total, "message": message})

    def report_usage(
        self,
        model: str,
        *,
        tokens_in: int = 0,
        tokens_out: int = 0,
        cost_dollars: "float | None" = None,
        calls: int = 1,
    ) -> None:
        """Tell what calls of a model used; sums up over the attempt. Without `cost_dollars` the cost is unknown."""
        told: dict[str, object] = {
            "model": model,
            "tokens_in": tokens_in,
            "tokens_out": tokens_out,
            "calls": calls,
        }
        if cost_dollars is not None:
            told["cost_dollars"] = cost_dollars
        if not is_offered():
            self.log("usage", **told)
            return
        from penstock.agents.gateway import call

        call("POST", "/v1/usage", json=told)

    def ask(
        self,
        key: str,
        message: str,
        *,
        details: object = None,
        form: "dict[str, Any] | None" = None,
        assignees: "Sequence[str]" = (),
        no_self_approval: bool = False,
    ) -> "Answer":
        """Ask a person, and wait for as long as it takes, without a runner: see docs/guides/people.md.

        The first time this raises Parked and the attempt ends here. Once there is an answer, another attempt runs
        from the start, finds its checkpoint, and gets the answer here. `key` names the question within the node.
        """
        from penstock.agents.questions import ask

        return ask(
            key,
            message,
            details=details,
            form=form,
            assignees=assignees,
            no_self_approval=no_self_approval,
        )

    def secret(self, name: str) -> str:
        """A secret that the manifest names under `secrets`; NotOffered says why it is refused."""
        from penstock.agents.gateway import call, json_of, quoted

        return str(json_of(call("GET", f"/secrets/{quoted(name)}"), key="value"))

    def put_artifact(self, path: "str | os.PathLike[str]") -> str:
        """Store a file at once, and get its URI. Files below `out_folder` that are returned need no call."""
        from penstock.agents.gateway import put_file

        return put_file(os.fspath(path))

    def get_artifact(self, uri: str) -> "Path":
        """The file (or the folder) that an artifact URI names, fetched to a private folder."""
        from penstock.agents.gateway import get_file

        return get_file(uri)

    async def progress_async(self, done: float, total: "float | None" = None, message: str = "") -> None:
        await in_thread(self.progress, done, total, message)

    async def report_usage_async(
        self,
        model: str,
        *,
        tokens_in: int = 0,
        tokens_out: int = 0,
        cost_dollars: "float | None" = None,
        calls: int = 1,
    ) -> None:
        await in_thread(
            self.report_usage,
            model,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            cost_dollars=cost_dollars,
            calls=calls,
        )

    async def ask_async(
        self,
        key: str,
        message: str,
        *,
        details: object = None,
        form: "dict[str, Any] | None" = None,
        assignees: "Sequence[str]" = (),
        no_self_approval: bool = False,
    ) -> "Answer":
        return await in_thread(
            self.ask,
            key,
            message,
            details=details,
            form=form,
            assignees=assignees,
            no_self_approval=no_self_approval,
        )

    async def secret_async(self, name: str) -> str:
        return await in_thread(self.secret, name)

    async def put_artifact_async(self, path: "str | os.PathLike[str]") -> str:
        return await in_thread(self.put_artifact, path)

    async def get_artifact_async(self, uri: str) -> "Path":
        return await in_thread(self.get_artifact, uri)


class Checkpoint:
    """What an attempt leaves for the next one of the same node, should it fail. JSON, up to 256 KiB."""

    def load(self) -> "Any":
        """What was saved last, or None."""
        if not is_offered():
            return None
        from penstock.agents.gateway import call, json_of

        answer = call("GET", "/checkpoint", missing_ok=True)
        return None if answer is None else json_of(answer)

    def save(self, value: object) -> None:
        """Keep `value` instead of what was saved before."""
        from penstock.agents.serialise import plain

        written = plain(value)
        if is_offered():
            from penstock.agents.gateway import call

            call("PUT", "/checkpoint", json=written)

    async def load_async(self) -> "Any":
        return await in_thread(self.load)

    async def save_async(self, value: object) -> None:
        await in_thread(self.save, value)


def variable(name: str, default: str = "") -> str:
    """`PENSTOCK_<name>` of this attempt."""
    own = attempt_environment.get()
    value = own.get(name) if own is not None else None
    return value or os.environ.get(f"PENSTOCK_{name}") or default


def is_offered() -> bool:
    """Whether there is a runner to ask."""
    return bool(variable("SOCKET"))


_local_out = ""


def _local_out_folder() -> str:
    """One temporary folder for a program that runs outside Penstock."""
    global _local_out
    if not _local_out:
        import tempfile

        _local_out = tempfile.mkdtemp(prefix="penstock-out-")
    return _local_out


async def in_thread(function: "Callable[P, R]", /, *args: "P.args", **kwargs: "P.kwargs") -> "R":
    """What an async agent awaits instead of calling `function`, which waits for the runner."""
    import asyncio

    return await asyncio.to_thread(function, *args, **kwargs)


context = Context()
