"""The examples in the guides are run as they stand there, from their agent.yaml on."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from penstock.contracts.failure import ErrorClass
from penstock.definition.agent import load_agent
from tests.modes.builders import Bench, output, plain_bench

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
_EXAMPLE = re.compile(r"^```\w+ (\S+/\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
async def tested(tmp_path: Path) -> AsyncIterator[Bench]:
    for guide in ("write-an-agent.md", "agent-protocol.md"):
        for name, text in _EXAMPLE.findall((GUIDES / guide).read_text()):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
    async with plain_bench(tmp_path) as prepared:
        yield prepared


async def test_the_python_example_counts(tested: Bench, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("one two three")
    (tmp_path / "texts" / "b.md").write_text("four")

    ended = await tested.run(load_agent(tmp_path / "word-count"), {"source": str(tmp_path / "texts")})

    assert output(ended) == {"files": 1, "words": 3}
    assert any("a.txt" in line for line in tested.lines)


async def test_the_python_example_refuses_as_the_guide_says(tested: Bench, tmp_path: Path) -> None:
    failure = (await tested.run(load_agent(tmp_path / "word-count"), {"suffx": ".md"})).failure

    assert failure is not None
    assert failure.error_class is ErrorClass.VALIDATION
    assert failure.message in (GUIDES / "write-an-agent.md").read_text()


async def test_the_shell_example_greets(tested: Bench, tmp_path: Path) -> None:
    attempt = tested.attempt(load_agent(tmp_path / "greeting"), {"name": "Ann"})

    ended = await tested.run_attempt(attempt)

    assert output(ended) == {"greeting": f"{attempt.folders.seen_out}/greeting.txt"}
    assert (attempt.folders.host_out / "greeting.txt").read_text() == "Hello Ann\n"
    assert tested.lines == ["greeting Ann, attempt 2 of scan"]


async def test_the_shell_example_says_why_it_failed(tested: Bench, tmp_path: Path) -> None:
    failure = (await tested.run(load_agent(tmp_path / "greeting"), {"name": "nobody"})).failure

    assert failure is not None
    assert (failure.type, failure.error_class) == ("NobodyThere", ErrorClass.VALIDATION)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
async def test_the_node_example_shouts(tested: Bench, tmp_path: Path) -> None:
    ended = await tested.run(load_agent(tmp_path / "shout"), {"words": ["a", "b"]})

    assert output(ended) == {"shouted": ["A", "B"]}


async def test_the_protocols_example_speaks_frames(tested: Bench, tmp_path: Path) -> None:
    echo = load_agent(tmp_path / "echo")

    ended = await asyncio.gather(*(tested.run(echo, {"n": n}) for n in range(4)))

    assert [json.loads(each.output or b"null") for each in ended] == [{"n": n} for n in range(4)]
    assert tested.lines == ["node scan"] * 4
