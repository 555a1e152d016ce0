"""Opening files below a folder that an agent may write to, and never anything else.

An agent can put a link in its output folder, or swap a folder for a link while we look: each step of a path
is opened by itself, relative to the one before, and never through a link.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: opening a named pipe would wait for a writer for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def opened(root: Path, relative: str) -> Iterator[int | None]:
    """A descriptor of the file or folder at `relative`, or None if there is no such file or folder."""
    descriptor = _open(root, relative.removesuffix("/").split("/"))
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def is_folder(descriptor: int) -> bool:
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


def open_file_in(folder: int, name: str) -> int | None:
    """A descriptor of the regular file `name` in the open `folder`, or None if it is none."""
    with suppress(OSError):
        descriptor = os.open(name, _FILE, dir_fd=folder)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    return None


def open_folder_in(folder: int, name: str) -> int | None:
    with suppress(OSError):
        return os.open(name, _FOLDER, dir_fd=folder)
    return None


def _open(root: Path, parts: list[str]) -> int | None:
    try:
        here = os.open(root, _FOLDER)
    except OSError:
        return None
    for part in parts[:-1]:
        try:
            below = open_folder_in(here, part)
        finally:
            os.close(here)
        if below is None:
            return None
        here = below
    try:
        found = open_folder_in(here, parts[-1])
        return open_file_in(here, parts[-1]) if found is None else found
    finally:
        os.close(here)
