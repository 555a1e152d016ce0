"""One child process: started with its log in a file, tied to our life, stopped politely and then firmly."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from penstock_cli.embedded import launch
from penstock_cli.errors import StartFailed

READY_S_MAX = 30.0  # a cold start on a busy machine with a slow disk
STOP_S_MAX = 15.0  # after the polite signal; then SIGKILL
LOG_TAIL_LINES = 12
_PROBE_PAUSE_S = 0.02


@dataclass(kw_only=True)
class Child:
    """A program that we keep running. `stop_signal` is what it understands as "end in good order"."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] | None = None  # None: ours
    folder: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    identity: str = "keep"  # see launch.py
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it; the caller waits for readiness. Must be called by a thread that lives as long as it should."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                launched(self.command, stop_signal=self.stop_signal, identity=self.identity),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self.environment) if self.environment is not None else None,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is ours: we stop the children, in order
            )

    def exit_code(self) -> int | None:
        """Its exit code (negative: the signal), or None while it runs or was never started."""
        return self._process.poll() if self._process else None

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self, *, patience_s: float = STOP_S_MAX) -> None:
        if self._process is None:
            return
        if self.alive():
            self._process.send_signal(self.stop_signal)
            try:
                self._process.wait(patience_s)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None

    def kill(self) -> None:
        """SIGKILL, at once: what a crash looks like."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def wait_ready(
        self, probe: Callable[[], bool], *, patience_s: float = READY_S_MAX, why: Callable[[], str] = str
    ) -> None:
        """Return as soon as `probe` says yes; StartFailed with the log's end when it never does.

        `why` is asked then what was missing last.
        """
        deadline = time.monotonic() + patience_s
        while not probe():
            if not self.alive():
                raise StartFailed(self.name, f"ended with {self.exit_code()}", self.log_tail())
            if time.monotonic() > deadline:
                told = f" ({why()})" if why() else ""
                raise StartFailed(self.name, f"was not ready after {patience_s:.0f} s{told}", self.log_tail())
            time.sleep(_PROBE_PAUSE_S)

    def log_tail(self) -> str:
        """The last lines of its log, for an error message."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
        except OSError:
            return ""


def launched(command: Sequence[str], *, stop_signal: signal.Signals, identity: str) -> list[str]:
    """`command`, behind the launcher that ties it to this process."""
    head = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), str(int(stop_signal)), identity]
    return [*head, *command]
