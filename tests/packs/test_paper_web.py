"""paper-analysis asks links politely and only where it may, and gets repositories without running anything of them."""

import asyncio
import io
import ssl
import subprocess
import tarfile
import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from paper import checking
from paper.allowlist import AllowList, host_of, read_allow_list
from paper.archives import unpack
from paper.checked import Checked, counts_of
from paper.checking import LinkChecker, client
from paper.fetching import Cloned, NotCloned, clone
from paper.links import Link
from paper.trees import copy_tree, only_folder

from agent_runner.sandbox.network import Allowance, Proxy
from penstock.agents import Invalid, LimitReached
from tests.packs.agent_process import write_tree
from tests.packs.paper_web import Web, make_repository, serving
from tests.packs.papers import CODE, PACK


@pytest.fixture(scope="module")
def git_web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, str]]:
    """A web with the sample's repository, and its newest commit."""
    folder = tmp_path_factory.mktemp("repositories")
    commit = make_repository(folder, "code", CODE)
    with serving(folder) as running:
        yield running, commit


@pytest.fixture
def web(git_web: tuple[Web, str]) -> Web:
    git_web[0].asked.clear()
    return git_web[0]


async def check(
    web: Web, *links: str | Link, known: Mapping[str, Checked] | None = None
) -> dict[str, Checked]:
    every = [Link(each, "web", "text", 1, 0, 9) if isinstance(each, str) else each for each in links]
    async with client() as opened:
        results = await LinkChecker(opened, AllowList([web.address])).check(every, known=known or {})
    return {result.url.removeprefix(web.url): result for result in results}


async def test_links_are_told_apart(web: Web) -> None:
    paths = ["/ok", "/no-head", "/moved", "/gone", "/private", "/loop", "/away"]

    found = await check(web, *(web.url + path for path in paths), "https://elsewhere.invalid/x")

    assert {path: result.state for path, result in found.items()} == {
        "/ok": "ok",
        "/no-head": "ok",
        "/moved": "ok",
        "/gone": "broken",
        "/private": "unreachable",
        "/loop": "broken",
        "/away": "not_allowed",
        "https://elsewhere.invalid/x": "not_allowed",
    }
    assert found["/moved"].final_url == f"{web.url}/ok"
    assert "elsewhere.invalid/page, not checked: not on the allow-list" in found["/away"].note
    assert found["https://elsewhere.invalid/x"].note == "not checked: not on the allow-list"
    assert counts_of(found.values()) == {"ok": 3, "broken": 2, "unreachable": 1, "not_allowed": 2}


async def test_a_host_that_asks_for_patience_gets_it_within_limits(web: Web) -> None:
    web.busy["/busy"] = 3  # HEAD, GET, HEAD again

    found = await check(web, f"{web.url}/busy", f"{web.url}/busy-for-ever")

    assert found["/busy"].state == "ok"
    assert found["/busy-for-ever"].state == "unreachable"
    assert "asks for fewer requests (429)" in found["/busy-for-ever"].note
    assert web.times("/busy-for-ever") == 2


async def test_nobody_there_is_unreachable_and_not_broken(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "_PAUSE_S", 0.001)
    async with client() as opened:
        checker = LinkChecker(opened, AllowList(["127.0.0.1:1"]))
        (result,) = await checker.check([Link("http://127.0.0.1:1/x", "web", "text", 1, 0, 9)], known={})

    assert result.state == "unreachable"


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"", b"H"),  # a status line of one letter at a time
        (b"HTTP/1.1 200 OK\r\nx: ", b"y"),  # a header without an end
    ],
)
async def test_a_server_that_never_ends_its_answer_has_no_more_time_than_others(
    first: bytes, then: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "REQUEST_S", 0.2)
    monkeypatch.setattr(checking, "TRIES", 1)

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        with suppress(OSError):
            for _each in range(1_000):
                writer.write(then)
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with client() as opened, asyncio.timeout(5):
        checker = LinkChecker(opened, AllowList([host]))
        (result,) = await checker.check([Link(f"http://{host}/x", "web", "text", 1, 0, 9)], known={})
    server.close()

    assert (result.state, result.note) == ("unreachable", "no answer within 0 s")


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    key, certificate = str(tmp_path / "key"), str(tmp_path / "certificate")
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-subj",
        "/CN=me",
    ]
    subprocess.run([*words, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def test_a_certificate_that_nobody_has_signed_is_told(
    self_signed: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "TRIES", 1)
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=self_signed)
    host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async with client() as opened:
        checker = LinkChecker(opened, AllowList([host]))
        (result,) = await checker.check([Link(f"https://{host}/x", "web", "text", 1, 0, 9)], known={})
    server.close()

    assert result.state == "unreachable"
    assert "CERTIFICATE_VERIFY_FAILED" in result.note


async def test_what_the_runners_proxy_refuses_is_told_as_such(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real proxy; its list differs from the agent's, as after an edit that was not loaded."""
    _, port = web.address.split(":")
    listed = (web.address, f"localhost:{port}", "nowhere.invalid:443", "nowhere.invalid:80")
    plain, tunnel, other = f"{web.url}/ok", "https://nowhere.invalid/x", "http://nowhere.invalid/x"
    links = [Link(url, "web", "text", 1, 0, 9) for url in (plain, tunnel, other, "https://off.invalid/x")]

    states = {}
    for networks in (("127.0.0.0/8",), ()):
        async with _proxy(tmp_path / "proxy.sock", Allowance.parse(listed, networks)) as address:
            monkeypatch.setenv("HTTP_PROXY", address)
            monkeypatch.setenv("HTTPS_PROXY", address)
            async with client() as opened:
                checker = LinkChecker(opened, AllowList([*listed, "off.invalid:443"]))
                states[networks] = {each.url: each for each in await checker.check(links, known={})}

    open_, closed = states.values()
    assert (open_[plain].state, closed[plain].state) == ("ok", "not_allowed")
    assert (open_[tunnel].state, open_[other].state) == ("unreachable", "unreachable")
    assert open_[tunnel].note == "the host is unknown, or nobody answers there"
    assert "cannot resolve nowhere.invalid" in open_[other].note
    assert "not on the public internet" in closed[plain].note
    assert open_["https://off.invalid/x"].state == "not_allowed"


@asynccontextmanager
async def _proxy(path: Path, allowance: Allowance) -> AsyncIterator[str]:
    """The runner's proxy, behind TCP as inside a sandbox."""
    proxy = Proxy(allowance)
    await proxy.open(path)

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            target.write(data)
        target.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_unix_connection(path)
        await asyncio.gather(copy(reader, up_writer), copy(up_reader, writer))

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await proxy.close()


async def test_an_address_that_a_line_break_made_too_long_is_tried_without_its_end(web: Web) -> None:
    link = Link(f"{web.url}/okand", "web", "text", 1, 0, 9, broken_over_lines=True, shorter=f"{web.url}/ok")

    found = await check(web, link)

    assert found["/okand"].state == "ok"
    assert "the address ends at the line" in found["/okand"].note


async def test_what_an_earlier_attempt_asked_is_not_asked_again(web: Web) -> None:
    known = {f"{web.url}/ok": Checked(f"{web.url}/ok", "ok", "answers", 200)}

    found = await check(web, f"{web.url}/ok", f"{web.url}/gone", known=known)

    assert web.times("/ok") == 0
    assert found["/ok"].state == "ok"
    assert found["/gone"].state == "broken"


def test_the_allow_list_is_the_one_that_the_runner_enforces() -> None:
    allowed = read_allow_list(PACK / "agents/paper-links")

    assert allowed.permits("https://doi.org/10.1234/x")
    assert allowed.permits("http://DOI.org./10.1234/x")
    assert not allowed.permits("https://doi.org:8443/x")
    assert not allowed.permits("https://someone:password@doi.org/x")
    assert host_of("http://[::1]:99/x") == "[::1]:99"
    assert host_of("https://a:b:c/") is None


@pytest.mark.parametrize("way", ["git", "dumb"])
def test_a_repository_is_cloned_at_its_newest_commit(
    way: str, git_web: tuple[Web, str], tmp_path: Path
) -> None:
    web, commit = git_web

    outcome = clone(f"{web.url}/{way}/code.git", tmp_path / "tree")

    assert isinstance(outcome, Cloned), outcome
    assert outcome.commit == commit
    copied = copy_tree(outcome.folder, tmp_path / "copy")
    assert {"README.md", "measure.py", "results/analysis.txt"} <= {*copied.paths}
    assert "old.txt" not in copied.paths
    assert not (tmp_path / "copy/.git").exists()


def test_a_repository_that_is_not_there_is_told(web: Web, tmp_path: Path) -> None:
    outcome = clone(f"{web.url}/git/absent.git", tmp_path / "tree")

    assert isinstance(outcome, NotCloned)
    assert "not found" in outcome.reason


def test_other_ways_than_http_are_closed(tmp_path: Path) -> None:
    outcome = clone(f"file://{tmp_path}", tmp_path / "tree")

    assert isinstance(outcome, NotCloned)
    assert "not allowed" in outcome.reason


def test_a_tree_is_copied_without_links_binaries_and_history(tmp_path: Path) -> None:
    write_tree(tmp_path / "secret", {"key.txt": "outside"})
    tree = write_tree(
        tmp_path / "tree",
        {
            "a.py": "x = 1\n",
            ".git/config": "",
            "picture.dat": b"\0\1",
            "big.csv": b"1,2\n" * 600_000,
            "data/b.csv": "1\n",
        },
    )
    (tree / "link.txt").symlink_to(tmp_path / "secret/key.txt")
    (tree / "folder").symlink_to(tmp_path / "secret")

    copied = copy_tree(tree, tmp_path / "copy")

    assert {path.name for path in (tmp_path / "copy").rglob("*") if path.is_file()} == {"a.py", "b.csv"}
    assert copied.left_out == {"folders": 2, "links": 1, "binary": 1, "too large": 1}
    assert "big.csv" in copied.paths


def test_archives_are_unpacked_and_their_one_folder_is_the_repository(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("code-main/README.md", "hello")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive_:
        archive_.addfile(_member("code-main/README.md", size=5), io.BytesIO(b"hello"))
        archive_.addfile(_member("code-main/link", kind=tarfile.SYMTYPE), None)

    for name in ("a.zip", "a.tar.gz"):
        unpack(tmp_path / name, tmp_path / f"{name}.tree")
        tree = only_folder(tmp_path / f"{name}.tree")
        assert [path.name for path in tree.iterdir()] == ["README.md"]


def test_archives_that_mean_harm_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
        archive.writestr("../../outside.txt", "x")
    with tarfile.open(tmp_path / "out.tar", "w") as archive_:
        archive_.addfile(_member("/etc/outside.txt", size=1), io.BytesIO(b"x"))
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.txt", b"0" * 100_000)
    (tmp_path / "cut.zip").write_bytes((tmp_path / "bomb.zip").read_bytes()[:-30])
    monkeypatch.setattr("paper.archives.UNPACKED_BYTES_MAX", 50_000)

    for name in ("out.zip", "out.tar"):
        with pytest.raises(Invalid, match="outside of itself"):
            unpack(tmp_path / name, tmp_path / "tree")
    with pytest.raises(LimitReached, match="100,000 bytes, at most"):
        unpack(tmp_path / "bomb.zip", tmp_path / "tree")
    with pytest.raises(Invalid, match="cannot be unpacked"):
        unpack(tmp_path / "cut.zip", tmp_path / "tree")


def _member(name: str, *, size: int = 0, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = size, kind, "/etc/passwd"
    return member
