"""Folders as artifacts: equal content has equal bytes, and nothing that means nothing elsewhere."""

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from penstock.contracts.artifact import ArtifactReference
from penstock_cli.artifacts import pack, references, unpack

SHA = "a" * 64


def tree(folder: Path) -> Path:
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "main.py").write_text("print(1)\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o750)
    return folder


def packed(folder: Path) -> bytes:
    target = io.BytesIO()
    pack(folder, target)
    return target.getvalue()


def names(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getnames()


def test_the_same_content_has_the_same_bytes_whenever_and_wherever(tmp_path: Path) -> None:
    first, second = tree(tmp_path / "a"), tree(tmp_path / "b")
    os.utime(second / "run.sh", (1, 1))
    (second / "src").chmod(0o700)

    assert hashlib.sha256(packed(first)).digest() == hashlib.sha256(packed(second)).digest()


def test_a_changed_byte_changes_the_archive(tmp_path: Path) -> None:
    folder = tree(tmp_path / "a")
    before = packed(folder)
    (folder / "run.sh").write_text("#!/bin/bash\n")

    assert packed(folder) != before


@pytest.mark.parametrize("name", [".git", ".venv", "node_modules", "__pycache__", ".penstock"])
def test_history_and_tools_folders_are_left_out_at_any_depth(tmp_path: Path, name: str) -> None:
    folder = tree(tmp_path / "a")
    for parent in (folder, folder / "src"):
        (parent / name).mkdir()
        (parent / name / "big").write_text("x")

    assert names(packed(folder)) == ["run.sh", "src", "src/main.py"]


def test_links_that_lead_out_and_special_files_are_left_out_and_counted(tmp_path: Path) -> None:
    folder = tree(tmp_path / "a")
    (folder / "inside").symlink_to("src/main.py")
    (folder / "outside").symlink_to("/etc/passwd")
    (folder / "src" / "up").symlink_to("../../secret")
    os.mkfifo(folder / "pipe")

    result = pack(folder, archive := io.BytesIO())

    assert "inside" in names(archive.getvalue())
    assert not {"outside", "src/up", "pipe"} & set(names(archive.getvalue()))
    assert result.left_out == 3


def test_a_packed_folder_unpacks_to_the_same_files(tmp_path: Path) -> None:
    archive = tmp_path / "archive.tar"
    archive.write_bytes(packed(tree(tmp_path / "a")))

    unpack(archive, tmp_path / "b")

    assert (tmp_path / "b" / "src" / "main.py").read_text() == "print(1)\n"
    assert os.access(tmp_path / "b" / "run.sh", os.X_OK)


def test_a_hostile_archive_writes_nothing_outside(tmp_path: Path) -> None:
    archive = tmp_path / "archive.tar"
    with tarfile.open(archive, "w") as tar:
        for name in ("../escaped", str(tmp_path / "absolute")):
            info = tarfile.TarInfo(name)
            info.size = 1
            tar.addfile(info, io.BytesIO(b"x"))
        link = tarfile.TarInfo("door")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        tar.addfile(link)
        through = tarfile.TarInfo("door/through")
        through.size = 1
        tar.addfile(through, io.BytesIO(b"x"))

    unpack(archive, tmp_path / "target")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive.tar", "target"]
    assert not (tmp_path / "target" / "door").is_symlink()


def test_artifacts_are_found_wherever_they_are_in_an_output() -> None:
    page, folder = f"artifact://{SHA}/report.html", f"artifact://{SHA}/fixes/"
    output = {"report": page, "more": [{"again": page}, folder], "text": f"see {page}", "count": 3}

    assert list(references(output)) == [
        ArtifactReference(sha256=SHA, name="report.html"),
        ArtifactReference(sha256=SHA, name="fixes", is_directory=True),
    ]
