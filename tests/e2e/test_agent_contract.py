"""The contract of an agent at its edges, through the public API: files, limits, languages, the network, mistakes."""

import asyncio
import hashlib
import http.server
import io
import re
import shutil
import tarfile
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from penstock.contracts.limits import LOG_BYTES_PER_ATTEMPT_MAX, MIB, OUTPUT_BYTES_MAX
from penstock_cli.embedded.ports import free_port
from tests.e2e.agents import write_agent
from tests.e2e.conftest import Api, Json, node_of
from tests.stack import Stack

pytestmark = pytest.mark.sandbox

LARGE_BYTES = 200 * MIB
GROWTH_BYTES_MAX = 60 * MIB  # of a service's memory while an artifact of 200 MiB passes through it

EDGES = """
import hashlib, json, os, sys, time, urllib.error, urllib.request
from pathlib import Path

given = json.load(sys.stdin)
out = Path(os.environ["PENSTOCK_OUT"])


def exactly(size):
    return "x" * (int(size) - 2)


def fetch(url):
    try:
        return urllib.request.urlopen(url, timeout=10).read().decode()
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read().decode()}"


def digest(path):
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()


match given["do"]:
    case "size":
        answer = exactly(given["size"])
    case "garbage":
        print("loading the model, please wait")
        answer = {"fine": True}
    case "shout":
        line = "y" * 1023
        for _ in range(20 * 1024):
            print(line, file=sys.stderr)
        answer = {"shouted": True}
    case "write":
        (out / "tree/deep").mkdir(parents=True)
        (out / "tree/deep/leaf.txt").write_text("leaf")
        (out / "page.html").write_text("<p>page</p>")
        answer = {
            "list": [{"page": f"{out}/page.html"}, {"tree": f"{out}/tree"}],
            "not-there": f"{out}/missing.txt",
            "text": f"see {out}/page.html",
        }
    case "read":
        found = given["files"]
        answer = {
            "page": Path(found["list"][0]["page"]).read_text(),
            "leaf": (Path(found["list"][1]["tree"]) / "deep/leaf.txt").read_text(),
            "writable": os.access(found["list"][0]["page"], os.W_OK),
        }
    case "copy":
        target = out / "copy.bin"
        with open(given["file"], "rb") as source, open(target, "wb") as copy:
            while piece := source.read(1 << 20):
                copy.write(piece)
        answer = {"sha256": digest(target), "copy": str(target)}
    case "fetch":
        answer = {"listed": fetch(given["listed"]), "other": fetch(given["other"])}
print(json.dumps(answer), end="")
"""

NODE = """
let text = '';
process.stdin.on('data', piece => text += piece).on('end', () => {
  const {word} = JSON.parse(text);
  console.error('from node');
  if (word === 'fail') {
    console.log(JSON.stringify({error: {type: 'Tired', message: 'no more words'}}));
    process.exit(1);
  }
  console.log(JSON.stringify({shouted: word.toUpperCase()}));
});
"""
SHELL = """
word=$(sed 's/.*"word": *"\\([^"]*\\)".*/\\1/')
echo "from the shell" >&2
[ "$word" = later ] && exit 75
echo "{\\"said\\": \\"$word\\", \\"node\\": \\"$PENSTOCK_NODE\\"}"
"""
LARGE = {"network": "none", "memory": "256MiB", "processes": 32, "scratch": "256MiB", "output": "256KiB"}


@dataclass(frozen=True)
class World:
    stack: Stack
    web: str  # the address of a web server on this machine
    other: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, web: str) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("contract")
    agents = folder / "agents"
    write_agent(
        agents, "edges", EDGES, sandbox={**LARGE, "network": [web]}, command=["python", "-S", "agent.py"]
    )
    write_agent(agents, "worded", NODE, file="agent.js", command=["node", "agent.js"])
    write_agent(agents, "shell", SHELL, file="agent.sh", command=["sh", "agent.sh"])
    write_agent(agents, "wrong", "", sandbox={"memry": "1MiB", "processes": 0}, reuse="often")
    (agents / "empty").mkdir()
    (agents / "empty/agent.yaml").write_text("name: [")
    extra = {"PENSTOCK_RUNNER_NETWORKS": "127.0.0.0/8"}
    with Stack(folder=folder, agents=(agents,), slots=2, extra=extra) as stack:
        yield World(stack, web, f"127.0.0.1:{free_port()}")


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """A web server on this machine's loopback."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"served " + self.path.encode())

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture
async def api(world: World) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=world.stack.url, timeout=120) as client:
        yield Api(client)


async def one(api: Api, agent: str, retry: Json = "none", **given: Json) -> Json:
    """The only node of a run that has ended."""
    run = await api.run(
        {
            "name": f"one-{agent}",
            "nodes": {"n": {"agent": agent, "with": given, "retry": retry, "timeout": "60s"}},
        }
    )
    return {**node_of(run, "n"), "run": run["id"]}


async def test_an_output_of_exactly_the_limit_passes_and_one_byte_more_does_not(api: Api) -> None:
    fits = await one(api, "edges", do="size", size=OUTPUT_BYTES_MAX)
    too_large = await one(api, "edges", do="size", size=OUTPUT_BYTES_MAX + 1)

    assert fits["state"] == "succeeded", fits["failure"]
    assert (too_large["state"], too_large["failure"]["error_class"]) == ("failed", "resource")
    assert f"{OUTPUT_BYTES_MAX:,} bytes" in too_large["failure"]["message"]


async def test_text_before_the_json_is_no_json_and_is_shown(api: Api) -> None:
    node = await one(api, "edges", do="garbage")

    assert node["failure"]["error_class"] == "validation"
    assert "loading the model" in node["failure"]["message"], node["failure"]


async def test_twenty_megabytes_of_log_end_at_the_limit_with_a_mark(api: Api) -> None:
    node = await one(api, "edges", do="shout")

    assert node["state"] == "succeeded", node["failure"]
    lines, after = [], 0
    async with asyncio.timeout(30):
        while not lines or "limit" not in lines[-1]["text"]:
            page = await api.get(f"/runs/{node['run']}/nodes/n/logs", attempt=1, after=after, limit=200)
            lines += page["items"]
            after = lines[-1]["line"] if lines else 0
    assert sum(len(line["text"]) + 1 for line in lines) <= LOG_BYTES_PER_ATTEMPT_MAX + 1024
    assert [line["line"] for line in lines] == list(range(1, len(lines) + 1))


async def test_files_and_folders_inside_of_values_go_from_node_to_node(api: Api) -> None:
    run = await api.run(
        {
            "name": "files",
            "nodes": {
                "write": {"agent": "edges", "with": {"do": "write"}},
                "read": {"agent": "edges", "with": {"do": "read", "files": "${{ nodes.write.output }}"}},
            },
        }
    )

    written, read = (node_of(run, name)["output"] for name in ("write", "read"))
    assert run["state"] == "succeeded", run["failure"]
    assert written["list"][0]["page"].startswith("artifact://")
    assert written["list"][1]["tree"].endswith("/tree/")
    assert written["not-there"] == "/out/missing.txt"
    assert written["text"] == "see /out/page.html"
    assert read == {"page": "<p>page</p>", "leaf": "leaf", "writable": False}


async def test_a_folder_that_a_client_uploads_is_unpacked(api: Api) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("deep/leaf.txt")
        entry.size = len(b"leaf")
        tar.addfile(entry, io.BytesIO(b"leaf"))
    page = await uploaded(api, b"<p>page</p>", "page.html")
    tree = await uploaded(api, archive.getvalue(), "tree/")

    node = await one(api, "edges", do="read", files={"list": [{"page": page}, {"tree": tree}]})

    assert node["output"] == {"page": "<p>page</p>", "leaf": "leaf", "writable": False}


async def test_an_artifact_of_200_mib_passes_through_without_memory(api: Api, world: World) -> None:
    piece = bytes(range(256)) * 4096
    expected = hashlib.sha256(piece * (LARGE_BYTES // len(piece))).hexdigest()

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(LARGE_BYTES // len(piece)):
            yield piece

    before = memory(world.stack)
    answer = await api.client.post("/api/v1/artifacts", content=pieces())
    uri = f"artifact://{answer.json()['sha256']}/large.bin"
    node = await one(api, "edges", do="copy", file=uri)
    grown = {name: after - before[name] for name, after in memory(world.stack).items()}

    assert answer.json()["sha256"] == expected
    assert node["state"] == "succeeded", node["failure"]
    assert node["output"] == {"sha256": expected, "copy": f"artifact://{expected}/copy.bin"}
    assert {name: size for name, size in grown.items() if size > GROWTH_BYTES_MAX} == {}


async def test_a_shell_script_is_an_agent(api: Api) -> None:
    said = await one(api, "shell", word="hello")
    later = await one(api, "shell", retry={"attempts": 2, "delay": "10ms"}, word="later")

    assert said["output"] == {"said": "hello", "node": "n"}
    assert (later["attempt"], later["failure"]["error_class"]) == (2, "temporary")


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
async def test_a_node_program_is_an_agent(api: Api) -> None:
    shouted = await one(api, "worded", word="hello")
    failed = await one(api, "worded", word="fail")

    assert shouted["output"] == {"shouted": "HELLO"}, shouted["failure"]
    assert (failed["failure"]["type"], failed["failure"]["message"]) == ("Tired", "no more words")


async def test_an_agent_reaches_its_listed_host_and_no_other(api: Api, world: World) -> None:
    node = await one(
        api, "edges", do="fetch", listed=f"http://{world.web}/page", other=f"http://{world.other}/"
    )

    assert node["state"] == "succeeded", node["failure"]
    assert node["output"]["listed"] == "served /page"
    assert node["output"]["other"].startswith(f"403 penstock: {world.other} is not in the agent's")


async def test_mistakes_in_a_manifest_are_shown_with_the_agent(api: Api) -> None:
    agents: dict[str, Json] = {}
    async with asyncio.timeout(30):
        while not agents:
            await asyncio.sleep(0.05)
            agents = {agent["name"]: agent for agent in (await api.get("/agents"))["items"]}

    wrong, empty = agents["wrong"]["versions"][0], agents["empty"]["versions"][0]
    for words in ("sandbox.memry", "did you mean 'memory'", "sandbox.processes", "reuse"):
        assert words in wrong["error"]
    assert "agent.yaml" in empty["error"]
    assert agents["edges"]["versions"][0]["error"] is None


async def uploaded(api: Api, content: bytes, name: str) -> str:
    answer = await api.client.post("/api/v1/artifacts", content=content)
    return f"artifact://{answer.json()['sha256']}/{name}"


def memory(stack: Stack) -> dict[str, int]:
    """The most that each service has had in memory so far, in bytes."""
    return {name: peak_bytes(child.pid) for name, child in stack.services.items()}


def peak_bytes(pid: int | None) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)[1])  # type: ignore[index]
