"""Files and folders as artifacts: packed the same way every time, uploaded, and fetched again."""

import os
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from penstock.contracts.artifact import ArtifactReference, parse
from penstock.contracts.limits import ARTIFACT_BYTES_MAX
from penstock_cli.api import Api
from penstock_cli.errors import CommandError
from penstock_cli.formats import size
from penstock_cli.output import say

SKIPPED = frozenset(
    {
        *(".git", ".venv", "node_modules", "__pycache__", ".penstock"),
        *(".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache"),
    }
)
"""Folders that are never part of a source tree: history, and what tools put there."""


@dataclass
class Packed:
    """What went into an archive, and what could not."""

    files: int = 0
    left_out: int = 0


def upload(api: Api, path: Path) -> ArtifactReference:
    """Store a file or a folder at the orchestrator."""
    if path.is_dir():
        return _upload_folder(api, path)
    if not path.is_file():
        raise CommandError(f"there is no file or folder {path}")
    with path.open("rb") as file:
        return _send(api, file, name=path.name, is_directory=False)


def download(api: Api, reference: ArtifactReference, folder: Path) -> Path:
    """Fetch an artifact into `folder`; a directory is unpacked. Returns where it is now."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / reference.name
    if not reference.is_directory:
        api.download(reference.sha256, target)
        return target
    with tempfile.TemporaryDirectory(dir=folder) as draft:
        archive = Path(draft) / "archive.tar"
        api.download(reference.sha256, archive)
        unpack(archive, target)
    return target


def unpack(archive: Path, target: Path) -> None:
    """Files and folders only: an agent wrote this archive, and a link in it could lead anywhere."""
    target.mkdir(exist_ok=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = Path(member.name).parts
            if member.name.startswith("/") or ".." in parts or not (member.isreg() or member.isdir()):
                say(f"left out {member.name}: not a file or folder inside the archive")
                continue
            member.mode = 0o755 if member.isdir() or member.mode & stat.S_IXUSR else 0o644
            tar.extract(member, target, set_attrs=True)


def references(value: Any) -> Iterator[ArtifactReference]:
    """Every artifact that a JSON value names, each once."""
    yield from dict.fromkeys(_references(value))


def _references(value: Any) -> Iterator[ArtifactReference]:
    match value:
        case str():
            if reference := parse(value):
                yield reference
        case list():
            for item in value:
                yield from _references(item)
        case dict():
            for item in value.values():
                yield from _references(item)


def _upload_folder(api: Api, folder: Path) -> ArtifactReference:
    with tempfile.TemporaryFile() as archive:
        packed = pack(folder, archive)
        notice = f", {packed.left_out} links and special files left out" if packed.left_out else ""
        say(f"packed {folder}: {packed.files} files{notice}")
        return _send(api, archive, name=folder.resolve().name or "root", is_directory=True)


def _send(api: Api, file: IO[bytes], *, name: str, is_directory: bool) -> ArtifactReference:
    size_bytes = file.seek(0, os.SEEK_END)
    if size_bytes > ARTIFACT_BYTES_MAX:
        raise CommandError(f"{name} has {size(size_bytes)}; an artifact may have {size(ARTIFACT_BYTES_MAX)}")
    file.seek(0)
    sha256 = api.upload(file, size_bytes=size_bytes)
    say(f"uploaded {name} ({size(size_bytes)}, {sha256[:12]})")
    return ArtifactReference(sha256=sha256, name=name, is_directory=is_directory)


def pack(folder: Path, target: IO[bytes]) -> Packed:
    """Write `folder` as a tar without owners and times: the same content has the same SHA-256 anywhere.

    Links that lead out of the folder, sockets and devices are left out: they would mean nothing elsewhere.
    """
    root = folder.resolve()
    packed = Packed()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in _entries(root):
            _add(archive, path, root, packed)
    return packed


def _entries(folder: Path) -> Iterator[Path]:
    """Everything below `folder`, a folder before its content, in the order of names."""
    for path in sorted(folder.iterdir(), key=lambda entry: entry.name):
        is_folder = path.is_dir() and not path.is_symlink()
        if is_folder and path.name in SKIPPED:
            continue
        yield path
        if is_folder:
            yield from _entries(path)


def _add(archive: tarfile.TarFile, path: Path, root: Path, packed: Packed) -> None:
    info = tarfile.TarInfo(path.relative_to(root).as_posix())
    status = path.lstat()
    if stat.S_ISDIR(status.st_mode):
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(info)
    elif stat.S_ISREG(status.st_mode):
        info.mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
        with path.open("rb") as file:
            info.size = os.fstat(file.fileno()).st_size
            archive.addfile(info, file)
        packed.files += 1
    elif stat.S_ISLNK(status.st_mode) and _stays_inside(path, root):
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
        archive.addfile(info)
        packed.files += 1
    else:
        packed.left_out += 1


def _stays_inside(link: Path, root: Path) -> bool:
    target = os.readlink(link)
    return not target.startswith("/") and link.parent.joinpath(target).resolve().is_relative_to(root)
