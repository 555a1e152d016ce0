"""The folder that a runner works in: its own while it lives, emptied of what a killed one left."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from agent_runner.gateway.sockets import PATH_BYTES_MAX

_SOCKET_NAME_BYTES = 16  # a slash and the random name
_PASSABLE = 0o711  # sandboxes have users of their own: they may pass through, and list nothing
_LOCK_FILE = "lock"


class UnusableFolder(Exception):
    """The work folder cannot be used; the message says why and what to change."""


@dataclass(frozen=True)
class WorkFolder:
    """`root`/<runner's id> and what is in it. `sockets` may be elsewhere: their paths must be short."""

    root: Path
    sockets: Path

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def trees(self) -> Path:
        return self.root / "trees"

    @property
    def scratch(self) -> Path:
        return self.root / "scratch"

    @property
    def sandboxes(self) -> Path:
        return self.root / "sandboxes"


@contextmanager
def claimed(parent: Path, *, runner: str) -> Iterator[WorkFolder]:
    """An empty work folder that no other runner uses, removed at the end."""
    root = parent / runner
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _check_owner(parent)
        _sweep(parent)
        root.mkdir(exist_ok=True)
        lock = _locked(root)
    except OSError as error:
        raise UnusableFolder(f"PENSTOCK_RUNNER_WORK_FOLDER: {root}: {error.strerror or error}") from error
    if lock is None:
        raise UnusableFolder(f"PENSTOCK_RUNNER_ID: another runner named '{runner}' works in {root}")
    _empty(root)
    folder = WorkFolder(root, _sockets_folder(root))
    try:
        for path in (root, folder.cache, folder.scratch, folder.sockets, folder.sandboxes):
            path.mkdir(exist_ok=True)
            path.chmod(_PASSABLE)
        yield folder
    finally:
        shutil.rmtree(folder.sockets, ignore_errors=True)
        shutil.rmtree(root, ignore_errors=True)
        os.close(lock)


def _sockets_folder(root: Path) -> Path:
    """Below the work folder, if a socket's address can hold that."""
    folder = root / "s"
    if len(os.fsencode(folder)) + _SOCKET_NAME_BYTES <= PATH_BYTES_MAX:
        return folder
    return Path(tempfile.mkdtemp(prefix="penstock-"))


def _check_owner(parent: Path) -> None:
    """Whoever owns the folder can swap what is in it, and so must be no stranger. Below /tmp anybody can be first."""
    owner = parent.stat().st_uid
    if owner not in (0, os.geteuid()):
        raise UnusableFolder(
            f"PENSTOCK_RUNNER_WORK_FOLDER: {parent} belongs to uid {owner}; expected a folder of root or of uid "
            f"{os.geteuid()}"
        )


def _sweep(parent: Path) -> None:
    """Remove the folders of runners that were killed: nobody holds their locks."""
    for left in parent.iterdir():
        with suppress(OSError):  # another user's, or gone meanwhile
            if (left / _LOCK_FILE).is_file() and (lock := _locked(left)) is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(lock)


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock until it is closed or its process dies, or None."""
    lock = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != _LOCK_FILE:
            shutil.rmtree(path, ignore_errors=True)
