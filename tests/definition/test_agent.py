"""agent.yaml: what an author wrote arrives, and every mistake is told at once."""

from pathlib import Path

import pytest

from penstock.contracts.agent import AgentManifest, Reuse, SandboxLimits
from penstock.contracts.errors import InvalidInput
from penstock.contracts.limits import KIB, MIB
from penstock.definition.agent import load_agent, read_agent

FULL = """\
name: security-scanner
version: 1.2.0
description: Finds insecure code
command: [python, -m, scanner]
input: {type: object}
output: {type: object}
sandbox: {network: [api.example.org:443], memory: 256MiB, processes: 8, scratch: 64KiB, output: 128KiB}
secrets: [TOKEN]
reuse: process
concurrency: 4
"""
SMALL = "name: a\nversion: 1.0.0\ncommand: [./run]\n"


def problems_of(text: str) -> list[tuple[int | None, str, str]]:
    with pytest.raises(InvalidInput) as refused:
        read_agent(text, folder=Path("agents/a"))
    return [(problem.line, problem.path, problem.message) for problem in refused.value.problems]


def test_everything_that_an_author_wrote_arrives(tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text(FULL)

    assert load_agent(tmp_path) == AgentManifest(
        name="security-scanner",
        version="1.2.0",
        description="Finds insecure code",
        command=("python", "-m", "scanner"),
        folder=str(tmp_path),
        input={"type": "object"},
        output={"type": "object"},
        sandbox=SandboxLimits(("api.example.org:443",), 256 * MIB, 8, 64 * KIB, 128 * KIB),
        secrets=("TOKEN",),
        reuse=Reuse.PROCESS,
        concurrency=4,
    )


def test_what_is_left_out_has_its_default() -> None:
    manifest = read_agent(SMALL + "sandbox: {network: none}\n", folder=Path("x"))

    assert manifest == AgentManifest(name="a", version="1.0.0", command=("./run",), folder="x")


def test_all_mistakes_are_told_at_once_with_their_lines() -> None:
    text = """\
nam: a
version: 1.10
command: python -m x
input: {type: strng}
sandbox:
  network: [example.org, "a:99999"]
  memory: 512
  procesess: 3
  scratch: 1TiB
secrets: ["a b"]
reuse: forever
"""
    found = {(line, path): message for line, path, message in problems_of(text)}

    expected = {
        (1, ""): "'name' is missing: expected a name",
        (1, "nam"): "unknown key 'nam'; did you mean 'name'?",
        (2, "version"): "expected text, got the number 1.1; put it in quotes",
        (3, "command"): "expected a list of words like [python, -m, scanner], got 'python -m x'",
        (4, "input.type"): "unknown JSON type",
        (6, "sandbox.network[0]"): "expected host:port, like api.example.org:443, got 'example.org'",
        (6, "sandbox.network[1]"): "expected host:port",
        (7, "sandbox.memory"): "expected a size like 64KiB, 512MiB or 1GiB, got the number 512",
        (8, "sandbox.procesess"): "unknown key 'procesess'; did you mean 'processes'?",
        (9, "sandbox.scratch"): "expected a size like",
        (10, "secrets[0]"): "expected a secret's name",
        (11, "reuse"): "expected one of never, fork, process; got 'forever'",
    }
    assert found.keys() == expected.keys()
    for place, message in expected.items():
        assert found[place].startswith(message), place


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a mapping with `name`, `version` and `command`, got nothing"),
        (SMALL + "concurrency: 2", "only an agent with `reuse: fork` or `process` serves several at once"),
        (SMALL.replace("[./run]", "[]"), "expected a list of words"),
        (SMALL.replace("[./run]", "['']"), "expected a list of words"),
        (SMALL + "sandbox: {output: 1MiB}", "expected a size from 1024 to 262144 bytes, got '1MiB'"),
        (SMALL + "sandbox: {network: all}", "expected none, or a list of host:port, got 'all'"),
        (SMALL + "input: 3", "expected a JSON Schema (a mapping), got the number 3"),
    ],
)
def test_a_mistake_says_what_was_expected(text: str, message: str) -> None:
    assert [found for _, _, found in problems_of(text) if message in found]


def test_a_folder_without_a_manifest_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"agent.yaml: can't be read from .*No such file"):
        load_agent(tmp_path)
