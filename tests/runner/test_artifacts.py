"""Artifacts in and out: paths for agents, URIs for everybody else; and archives that nobody need trust."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from agent_runner.archive import pack, unpack
from agent_runner.beneath import opened
from agent_runner.references import paths_below, references_in, replaced
from penstock.contracts.agent import Reuse
from penstock.contracts.errors import InvalidInput
from penstock.contracts.failure import ErrorClass
from tests.runner.artifact_server import ArtifactServer
from tests.runner.conftest import Agents, Start, Started
from tests.runner.peer import Peer, output_of

COPY = """
    import json, os, pathlib, sys
    given = json.load(sys.stdin)
    out = pathlib.Path(os.environ["PENSTOCK_OUT"])
    text = pathlib.Path(given["file"]).read_text()
    names = sorted(str(path.relative_to(given["tree"])) for path in pathlib.Path(given["tree"]).rglob("*"))
    (out / "report.txt").write_text(text.upper())
    (out / "site" / "deep").mkdir(parents=True)
    (out / "site" / "deep" / "page.html").write_text("<p>")
    file = pathlib.Path(given["tree"]) / "a.py"
    for harm in ((file.parent / "new").touch, file.unlink, lambda: file.open("a"), lambda: file.chmod(0o600)):
        try:
            harm()
            names.append("writable!")
        except OSError:
            pass
    json.dump({"names": names, "report": str(out / "report.txt"), "site": str(out / "site"),
               "missing": str(out / "missing")}, sys.stdout)
"""


@pytest.mark.sandbox
@pytest.mark.parametrize("reuse", [Reuse.NEVER, Reuse.FORK])
async def test_agents_see_paths_and_others_see_artifacts(
    start: Start, peer: Peer, agents: Agents, artifact_server: ArtifactServer, reuse: Reuse
) -> None:
    source = COPY if reuse is Reuse.NEVER else FORKED_COPY
    agents.add("copy", source, reuse=reuse)
    file = artifact_server.keep(b"hello")
    tree = artifact_server.keep(_tar({"a.py": b"1", "b/c.py": b"2"}))
    started: Started = await start()

    given = {"file": f"artifact://{file}/notes.txt", "tree": f"artifact://{tree}/source/"}
    results = [await peer.result_of(await peer.order("copy", given)) for _ in range(2)]

    assert [result.failure for result in results] == [None, None]
    said = output_of(results[0])
    assert said["names"] == ["a.py", "b", "b/c.py"]
    assert artifact_server.content(said["report"]) == b"HELLO"
    assert said["report"].endswith("/report.txt")
    assert said["site"].endswith("/site/")
    assert _names(artifact_server.content(said["site"])) == ["deep", "deep/page.html"]
    assert not said["missing"].startswith("artifact://")
    assert output_of(results[1])["site"] == said["site"]  # equal content, equal artifact
    assert artifact_server.fetched == {file: 1, tree: 1}
    assert [path for path in started.work.rglob("*") if path.name in ("notes.txt", "report.txt")] == []


FORKED_COPY = """
    import os, pathlib
    from penstock.agents import agent, context

    @agent
    def copy(file: pathlib.Path, tree: pathlib.Path) -> dict[str, object]:
        out = context.out_folder
        names = sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))
        (out / "report.txt").write_text(file.read_text().upper())
        (out / "site" / "deep").mkdir(parents=True)
        (out / "site" / "deep" / "page.html").write_text("<p>")
        return {"names": names, "report": str(out / "report.txt"), "site": str(out / "site"),
                "missing": str(out / "missing")}

    if __name__ == "__main__":
        copy.run()
"""


@pytest.mark.sandbox
async def test_missing_artifact_fails_the_attempt_with_its_hash(
    start: Start, peer: Peer, agents: Agents
) -> None:
    agents.add("copy", COPY)
    await start()

    result = await peer.result_of(await peer.order("copy", {"file": f"artifact://{'0' * 64}/x"}))

    assert result.failure is not None
    assert result.failure.error_class is ErrorClass.VALIDATION
    assert "000000000000" in result.failure.message


@pytest.mark.sandbox
async def test_a_link_in_the_out_folder_leads_nowhere(
    start: Start, peer: Peer, agents: Agents, artifact_server: ArtifactServer
) -> None:
    agents.add("sly", """
        import json, os, sys
        os.symlink("/etc/passwd", "/out/file")
        os.symlink("/etc", "/out/folder")
        os.mkfifo("/out/pipe")
        os.mkdir("/out/site")
        os.symlink("/etc/passwd", "/out/site/page")
        json.dump(json.load(sys.stdin), sys.stdout)
    """)  # fmt: skip
    await start()

    paths = ["/out/file", "/out/folder/passwd", "/out/pipe", "/out/../etc/passwd"]
    ignored = await peer.result_of(await peer.order("sly", paths))
    refused = await peer.result_of(await peer.order("sly", ["/out/site"]))

    assert output_of(ignored) == paths
    assert refused.failure is not None
    assert refused.failure.error_class is ErrorClass.VALIDATION
    assert "page" in refused.failure.message
    assert list(artifact_server.folder.iterdir()) == []


def test_references_are_found_and_replaced_wherever_they_are() -> None:
    uri = f"artifact://{'a' * 64}/x.txt"
    value = {"one": uri, "many": [uri, f"see {uri}", {"deep": f"artifact://{'b' * 64}/tree/"}], uri: 1}

    names = [reference.name for reference in references_in(value)]

    assert names == ["x.txt", "tree"]
    assert replaced(value, {uri: "/in/x.txt"})["many"][:2] == ["/in/x.txt", f"see {uri}"]
    assert uri in replaced(value, {uri: "/in/x.txt"})


def test_only_paths_that_go_straight_down_are_output() -> None:
    value = ["/out/a", "/out/b/", "/out/../etc", "/out/", "/outer/a", "/out/a//b", "at /out/a", "/out/./a"]

    assert paths_below(value, "/out") == ("a", "b/")


@pytest.mark.parametrize("name", ["../up", "/abs", "a/../../up", "a/.."])
def test_archive_may_not_name_what_lies_outside(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="inside the archive"):
        unpack(io.BytesIO(_tar({name: b"x"})), tmp_path / "target")

    assert not (tmp_path / "up").exists()


@pytest.mark.parametrize(
    "links",
    [
        {"a": "/etc"},
        {"a": "../../etc"},
        {"a": "b/..", "b": "../up"},
        {"x/y/z": "../..", "a": "x/y/z/../.."},
    ],
)
def test_archive_links_may_not_lead_outside(tmp_path: Path, links: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="leads out"):
        unpack(io.BytesIO(_tar({}, links)), tmp_path / "target")


def test_archive_may_not_write_through_its_own_link(tmp_path: Path) -> None:
    archive = _tar({"a/file": b"x"}, {"a": "../outside"}, links_first=True)
    (tmp_path / "outside").mkdir()

    with pytest.raises((InvalidInput, FileExistsError)):
        unpack(io.BytesIO(archive), tmp_path / "target")

    assert list((tmp_path / "outside").iterdir()) == []


def test_archive_of_a_device_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        device = tarfile.TarInfo("null")
        device.type = tarfile.CHRTYPE
        archive.addfile(device)

    with pytest.raises(InvalidInput, match="expected a file"):
        unpack(io.BytesIO(buffer.getvalue()), tmp_path / "target")


def test_packed_folder_comes_back_the_same(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "tool").write_bytes(b"#!")
    (source / "sub" / "tool").chmod(0o700)
    (source / "link").symlink_to("sub/tool")
    first, second = io.BytesIO(), io.BytesIO()

    for target in (first, second):
        with opened(tmp_path, "source") as descriptor:
            assert descriptor is not None
            pack(descriptor, target)
        os.utime(source / "sub" / "tool", (1, 1))
    unpack(io.BytesIO(first.getvalue()), tmp_path / "target")

    assert first.getvalue() == second.getvalue()
    assert (tmp_path / "target" / "link").read_bytes() == b"#!"
    assert (tmp_path / "target" / "sub" / "tool").stat().st_mode & 0o777 == 0o755


def _tar(files: dict[str, bytes], links: dict[str, str] | None = None, *, links_first: bool = False) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        if links_first:
            _add_links(archive, links or {})
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        if not links_first:
            _add_links(archive, links or {})
    return buffer.getvalue()


def _add_links(archive: tarfile.TarFile, links: dict[str, str]) -> None:
    for name, target in links.items():
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tarfile.SYMTYPE, target
        archive.addfile(info)


def _names(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened_archive:
        return opened_archive.getnames()
