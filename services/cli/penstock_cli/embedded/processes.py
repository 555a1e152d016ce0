"""Keeps a list of servers running: started in order, restarted when one dies, stopped in reverse order."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from penstock_cli.embedded.child import READY_S_MAX, Child
from penstock_cli.embedded.probe import NeverReady
from penstock_cli.errors import CommandError, StartFailed

RESTART_S_MIN = 0.5
RESTART_S_MAX = 30.0
STABLE_S = 60.0  # after living that long a death counts as the first one

Report = Callable[[str], None]


class Server(Protocol):
    """Anything that can be kept running. `start` returns when it is ready, or raises StartFailed."""

    @property
    def name(self) -> str: ...
    @property
    def pid(self) -> int | None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def alive(self) -> bool: ...


@dataclass(kw_only=True)
class Service:
    """One of Penstock's own processes: a child with a probe that says when it is ready."""

    child: Child
    probe: Callable[[], bool]
    why: Callable[[], str] = str  # what the probe missed the last time
    patience_s: float = READY_S_MAX

    @property
    def name(self) -> str:
        return self.child.name

    @property
    def pid(self) -> int | None:
        return self.child.pid

    def start(self) -> None:
        self.begin()
        self.wait()

    def begin(self) -> None:
        self.child.start()

    def wait(self) -> None:
        """Return once it is ready; StartFailed when that takes too long or will never be."""
        try:
            self.child.wait_ready(self.probe, patience_s=self.patience_s, why=self.why)
        except NeverReady as error:
            raise StartFailed(self.name, str(error), "") from error

    def stop(self) -> None:
        self.child.stop()

    def kill(self) -> None:
        self.child.kill()

    def alive(self) -> bool:
        return self.child.alive()


@dataclass
class _Kept:
    """A server with its history of deaths. `due` is when the next start may be tried; `awaited`: that was, and the
    server is not ready yet."""

    server: Server
    started: float = 0.0
    deaths: int = 0
    due: float | None = None
    awaited: bool = False


@dataclass
class Supervisor:
    """Call `tend` a few times a second; `report` hears of every death and every restart."""

    report: Report
    _kept: list[_Kept] = field(default_factory=list)

    def start(self, server: Server) -> None:
        """Start `server` and keep it running until `stop`."""
        kept = _Kept(server)
        self._kept.append(kept)  # before the start: `stop` must also end one that came up only half
        server.start()
        kept.started = time.monotonic()

    def begin(self, service: Service) -> None:
        """Like `start`, but without waiting for readiness: `service.wait` does that."""
        service.begin()
        self._kept.append(_Kept(service, started=time.monotonic()))

    def tend(self) -> None:
        """Restart what has died, later and later when it keeps dying."""
        now = time.monotonic()
        for kept in self._kept:
            if kept.due is None and not kept.server.alive():
                self._note_death(kept, now)
            if kept.due is not None and now >= kept.due:
                self._restart(kept)
            elif kept.awaited:
                self._look_after(kept, now)

    def forget(self, server: Server) -> None:
        """No longer keep `server` running."""
        self._kept = [kept for kept in self._kept if kept.server is not server]

    def stop(self) -> None:
        """Stop everything, last started first. A second call does nothing."""
        while self._kept:
            self._kept.pop().server.stop()

    def _note_death(self, kept: _Kept, now: float) -> None:
        kept.deaths = 1 if now - kept.started > STABLE_S else kept.deaths + 1
        pause = min(RESTART_S_MIN * 2 ** (kept.deaths - 1), RESTART_S_MAX)
        kept.due, kept.awaited = now + pause, False
        self.report(f"{kept.server.name} ended unexpectedly; it is started again in {pause:g} s")

    def _restart(self, kept: _Kept) -> None:
        kept.due = None
        kept.started = time.monotonic()
        try:
            if isinstance(kept.server, Service):
                kept.server.begin()  # nobody waits here: it may become ready only after another that died with it
                kept.awaited = True
                return
            kept.server.start()
        except CommandError as error:
            self.report(str(error))
            kept.server.stop()
            return
        self.report(f"{kept.server.name} runs again (process {kept.server.pid})")

    def _look_after(self, kept: _Kept, now: float) -> None:
        """Whether a service that was started again is ready; one that is not in time is killed."""
        assert isinstance(kept.server, Service), "only services are not waited for"
        if kept.server.probe():
            kept.awaited = False
            self.report(f"{kept.server.name} runs again (process {kept.server.pid})")
        elif now - kept.started > kept.server.patience_s:
            self.report(
                f"{kept.server.name} was not ready after {kept.server.patience_s:.0f} s {kept.server.why()}"
            )
            kept.server.kill()
