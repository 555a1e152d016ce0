"""Directories as tar archives: packed the same way every time, unpacked without trusting what they say."""

import io
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from agent_runner.beneath import open_file_in, open_folder_in
from penstock.contracts.errors import InvalidInput, LimitExceeded
from penstock.contracts.limits import GIB

ENTRIES_MAX = 200_000  # a large source tree has 100,000 files
UNPACKED_BYTES_MAX = 4 * GIB
PATH_DEPTH_MAX = 64
_FILE_MODE, _PROGRAM_MODE, _FOLDER_MODE = 0o644, 0o755, 0o755


def pack(folder: int, target: IO[bytes]) -> None:
    """Write the open `folder` as a tar: sorted, without owners and times, so equal content has equal bytes.

    Links inside the folder are kept, others and special files are refused: nobody could use them later.
    """
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for count, (path, info, content) in enumerate(_entries(folder, "")):
            if count >= ENTRIES_MAX:
                raise LimitExceeded(f"{path}: more than {ENTRIES_MAX} files in one folder")
            if content is None:
                archive.addfile(info)
                continue
            with content:
                archive.addfile(info, content)


def unpack(source: IO[bytes], target: Path) -> int:
    """Fill the new folder `target`; its bytes. Nothing lands outside it, and no link in it leads out.

    Links are made last: while files are written there is no link that a path could go through.
    """
    target.mkdir(parents=True)
    links: list[tuple[Path, str]] = []
    total = 0
    try:
        with tarfile.open(fileobj=source, mode="r|*") as archive:
            for count, member in enumerate(archive):
                total += member.size
                if count >= ENTRIES_MAX or total > UNPACKED_BYTES_MAX:
                    raise LimitExceeded(
                        f"{member.name}: expected at most {ENTRIES_MAX} entries and {UNPACKED_BYTES_MAX} bytes"
                    )
                _unpack_member(archive, member, target=target, links=links)
    except tarfile.TarError as error:
        raise InvalidInput(f"expected a tar archive: {error}") from error
    for path, destination in links:
        _link(path, destination)
    for path, destination in links:
        _check_link(path, destination, target)
    return total


def _unpack_member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, *, target: Path, links: list[tuple[Path, str]]
) -> None:
    path = target.joinpath(*_parts(member.name))
    if member.isdir():
        path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        return
    path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    if member.issym():
        links.append((path, member.linkname))
    elif member.islnk():
        shutil.copyfile(target.joinpath(*_parts(member.linkname)), path, follow_symlinks=False)
    elif member.isreg():
        _write(archive, member, path)
    else:
        raise InvalidInput(f"{member.name}: expected a file, a folder or a link")


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = archive.extractfile(member)
    assert content is not None  # a regular file has content
    mode = _PROGRAM_MODE if member.mode & stat.S_IXUSR else _FILE_MODE
    with content, path.open("xb") as file:
        shutil.copyfileobj(content, file)
        os.fchmod(file.fileno(), mode)


def _parts(name: str) -> list[str]:
    """The steps of a member's path, all of them downwards."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\x00" in name:
        raise InvalidInput(f"{name}: expected a path inside the archive")
    if len(parts) > PATH_DEPTH_MAX:
        raise LimitExceeded(f"{name}: expected at most {PATH_DEPTH_MAX} folders deep")
    return parts


def _link(path: Path, destination: str) -> None:
    if destination.startswith("/"):
        raise InvalidInput(f"{path.name}: a link to {destination} leads out of the archive")
    path.symlink_to(destination)


def _check_link(path: Path, destination: str, target: Path) -> None:
    """After all links are there, for one may lead through another."""
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError):  # a ring of links: useless, and leads nowhere
        return
    if not resolved.is_relative_to(target.resolve()):
        raise InvalidInput(f"{path.name}: a link to {destination} leads out of the archive")


_Entry = tuple[str, tarfile.TarInfo, IO[bytes] | None]


def _entries(folder: int, prefix: str) -> Iterator[_Entry]:
    """Everything below an open folder, in the order of names. Descriptors only: no path is looked up twice."""
    if prefix.count("/") > PATH_DEPTH_MAX:
        raise LimitExceeded(f"{prefix}: expected at most {PATH_DEPTH_MAX} folders deep")
    for name in sorted(os.listdir(folder)):
        path = prefix + name
        if (below := open_folder_in(folder, name)) is not None:
            try:
                yield path, _info(path, tarfile.DIRTYPE, _FOLDER_MODE), None
                yield from _entries(below, f"{path}/")
            finally:
                os.close(below)
        elif (descriptor := open_file_in(folder, name)) is not None:
            yield _file(path, descriptor)
        else:
            yield _kept_link(folder, name, path)


def _file(path: str, descriptor: int) -> _Entry:
    status = os.fstat(descriptor)
    info = _info(path, tarfile.REGTYPE, _PROGRAM_MODE if status.st_mode & stat.S_IXUSR else _FILE_MODE)
    info.size = status.st_size
    return path, info, io.FileIO(descriptor)


def _kept_link(folder: int, name: str, path: str) -> _Entry:
    try:
        destination = os.readlink(name, dir_fd=folder)
    except OSError as error:
        raise InvalidInput(f"{path}: expected a file, a folder or a link inside the folder") from error
    steps = os.path.normpath(os.path.join(os.path.dirname(path), destination))
    if destination.startswith("/") or steps == ".." or steps.startswith("../"):
        raise InvalidInput(f"{path}: a link to {destination} leads out of the folder")
    info = _info(path, tarfile.SYMTYPE, 0o777)
    info.linkname = destination
    return path, info, None


def _info(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.mode = kind, mode
    return info
