"""What runs one attempt and tells how it ended: the port between the runner's worker and the reuse modes."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from penstock.contracts.agent import AgentManifest
from penstock.contracts.failure import Failure
from penstock.contracts.messages import AgentQuestion, StartNode

OnLog = Callable[[str, str], None]
"""Called with the stream ("stderr") and one line, without its newline."""


class Folders(msgspec.Struct, frozen=True):
    """Where an attempt's files are. None of them exists until somebody has a use for it.

    `work` holds in/ and out/ of the sandbox; `key` is the attempt's own folder in both, or empty where the
    attempt has a sandbox of its own. `seen_in` and `seen_out` are the same folders as the agent sees them.
    """

    work: Path
    key: str
    seen_in: str
    seen_out: str

    @property
    def host_in(self) -> Path:
        """The runner creates this folder (and its parents) and fills it, if there are artifacts to give."""
        return self.work / "in" / self.key

    @property
    def host_out(self) -> Path:
        """What the agent wrote; it need not exist."""
        return self.work / "out" / self.key


class Attempt(msgspec.Struct, frozen=True):
    """One attempt that this runner holds the lease of, ready to run."""

    order: StartNode
    manifest: AgentManifest
    input: bytes  # JSON on one line; artifact URIs already replaced by paths below `folders.seen_in`
    folders: Folders
    attempt_key: str  # opaque; what the agent names itself by on the gateway's socket
    slot: int  # 0-based
    socket: Path | None = None  # the gateway's unix socket on the host
    granted_at: float = msgspec.field(default_factory=time.monotonic)  # when its claim was
    traceparent: str | None = None  # the trace that the agent may add to

    @property
    def project(self) -> str:
        return self.order.project


class Ended(msgspec.Struct, frozen=True):
    """How an attempt ended: exactly one of `output`, `failure` and `parked` is set, or `released` is true.

    `released`: it goes back, and costs no attempt. A cancelled attempt has a failure of type `Cancelled`.
    """

    output: bytes | None = None
    failure: Failure | None = None
    released: bool = False
    parked: AgentQuestion | None = None
    seconds: float = 0.0
    cpu_s: float | None = None
    memory_bytes: int | None = None
    tier: str | None = None
    sandbox_start_s: float | None = None  # None: no sandbox was started for this attempt alone


class Cancellation:
    """The wish to stop an attempt. Cheaper than an asyncio.Event: nobody needs a task to wait for it."""

    __slots__ = ("_callbacks", "_is_set")

    def __init__(self) -> None:
        self._is_set = False
        self._callbacks: list[Callable[[], None]] = []

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        """Ask for the stop. Asking again changes nothing."""
        if self._is_set:
            return
        self._is_set = True
        for callback in self._callbacks:
            callback()

    def on_set(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the stop is asked for; at once if it was already."""
        self._callbacks.append(callback)
        if self._is_set:
            callback()


class Mode(Protocol):
    """One way to run attempts. Safe to call for many attempts at once."""

    def folders(self, *, manifest: AgentManifest, project: str, attempt_key: str) -> Folders:
        """Where the attempt's files belong. Pure: creates nothing."""

    async def run(self, attempt: Attempt, *, on_log: OnLog, cancelled: Cancellation) -> Ended:
        """Run the attempt to its end. Never raises for what an agent does; cancelling the call kills it."""

    async def close(self) -> None:
        """End every worker and sandbox of this mode."""
