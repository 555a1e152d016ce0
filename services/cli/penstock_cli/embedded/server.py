"""What every foreign server that we start as a child has: it runs, is stopped, is killed, may have died."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from penstock_cli.embedded.child import Child


@dataclass(kw_only=True)
class Server:
    """`name` is for people; what it prints goes to `log`."""

    name: str
    log: Path
    _child: Child | None = field(default=None, repr=False)

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def run(self, command: Sequence[str], *, is_ready: Callable[[], bool]) -> None:
        """Start it, and wait until it answers."""
        self._child = Child(name=self.name, command=list(command), log=self.log)
        self._child.start()
        self._child.wait_ready(is_ready)

    def stop(self) -> None:
        if self._child:
            self._child.stop()

    def kill(self) -> None:
        if self._child:
            self._child.kill()

    def alive(self) -> bool:
        return self._child is not None and self._child.alive()
