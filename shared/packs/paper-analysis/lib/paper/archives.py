"""Unpacking archives of strangers: nothing outside of the folder, no links, no devices, no bombs."""

import tarfile
import zipfile
from pathlib import Path

from penstock.agents import Invalid, LimitReached

UNPACKED_BYTES_MAX = 150 * 1024 * 1024  # below the sandbox's scratch
MEMBERS_MAX = 20_000


def is_archive(path: Path) -> bool:
    return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))


def unpack(archive: Path, target: Path) -> None:
    """Unpack a zip or tar archive; raises Invalid or LimitReached."""
    target.mkdir(parents=True, exist_ok=True)
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, target)
        else:
            _untar(archive, target)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, RuntimeError) as error:
        raise Invalid(f"repository: the archive cannot be unpacked: {error}") from error


def _unzip(archive: Path, target: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        _require_limits(len(members), sum(member.file_size for member in members))
        for member in members:
            _require_inside(member.filename, target)
            if member.external_attr >> 28 != 0xA:  # a symbolic link
                opened.extract(member, target)  # reads no more than file_size says


def _untar(archive: Path, target: Path) -> None:
    with tarfile.open(archive) as opened:
        members: list[tarfile.TarInfo] = []
        size = 0
        for member in opened:
            size += member.size
            members.append(member)
            _require_limits(len(members), size)
        for member in members:
            _require_inside(member.name, target)
            if member.isfile() or member.isdir():
                opened.extract(member, target, filter="data")


def _require_limits(members: int, size: int) -> None:
    if members > MEMBERS_MAX or size > UNPACKED_BYTES_MAX:
        raise LimitReached(
            f"repository: the archive unpacks to {members:,} files and {size:,} bytes, at most {MEMBERS_MAX:,} and "
            f"{UNPACKED_BYTES_MAX:,} are taken; give a smaller one without data and history"
        )


def _require_inside(name: str, target: Path) -> None:
    if not (target / name).resolve().is_relative_to(target.resolve()):
        raise Invalid(f"repository: the archive names a file outside of itself: '{name[:100]}'")
