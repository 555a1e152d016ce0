"""An agent as a program: one JSON in, one JSON out, whatever it prints, raises or returns."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from penstock.agents.errors import AgentError
from penstock.contracts.agent import EXIT_TRY_AGAIN
from penstock.contracts.failure import ErrorClass
from penstock.contracts.limits import OUTPUT_BYTES_MAX

AGENT = '''
import asyncio, os, subprocess, sys
from dataclasses import dataclass
from pathlib import Path
from penstock.agents import agent, context, RateLimited, TryAgain

print("loading")

@dataclass
class Report:
    path: Path
    lines: set[str]

@agent
def report(name: str, times: int = 1) -> Report:
    """Writes a report.

    At length."""
    print("to stdout")
    os.write(1, b"by descriptor\\n")
    subprocess.run(["echo", "by a child"], check=True)
    context.log("noted", times=times)
    path = context.out_folder / "report.txt"
    path.write_text(name * times)
    return Report(path, {"b", "a"})

@agent
def fail(how: str) -> object:
    def inner():
        raise ValueError("no such rule")
    match how:
        case "raise": inner()
        case "again": raise TryAgain("the index is being built")
        case "limited": raise RateLimited("slow down", retryable=True)
        case "timeout": raise TimeoutError("no answer")
        case "exit": sys.exit(3)
        case "exit75": sys.exit(75)
        case "value": return {"rows": [{"at": print}]}
        case "huge": return "x" * 300_000

@agent
async def slowly(n: int) -> int:
    await asyncio.sleep(0)
    return n + 1

@agent
async def rows(n: int):
    for index in range(n):
        yield {"index": index}
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "agent.py").write_text(AGENT)
    (tmp_path / "alone.py").write_text(
        "from penstock.agents import agent\n@agent\ndef one(n: int) -> int:\n    return n\n"
        "if __name__ == '__main__':\n    one.run()\n"
    )
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n")
    return tmp_path


def run(
    folder: Path, *arguments: str, value: object = None, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        input=json.dumps(value) if text is None else text,
        cwd=folder,
        env={**os.environ, "PENSTOCK_OUT": str(folder / "out")},
        capture_output=True,
        text=True,
        timeout=30,
    )


def agent(folder: Path, name: str, value: object) -> subprocess.CompletedProcess[str]:
    return run(folder, "-m", "penstock.agents", f"agent.py:{name}", value=value)


def test_only_the_result_is_on_stdout(folder: Path) -> None:
    done = agent(folder, "report", {"name": "ab", "times": 2})

    assert json.loads(done.stdout) == {"path": str(folder / "out" / "report.txt"), "lines": ["a", "b"]}
    assert (folder / "out" / "report.txt").read_text() == "abab"
    assert done.returncode == 0
    for printed in ("loading", "to stdout", "by descriptor", "by a child", "noted times=2"):
        assert printed in done.stderr


def test_an_async_function_and_a_generator_are_run_to_their_end(folder: Path) -> None:
    assert json.loads(agent(folder, "slowly", {"n": 1}).stdout) == 2
    assert json.loads(agent(folder, "rows", {"n": 2}).stdout) == [{"index": 0}, {"index": 1}]


def test_a_file_can_be_the_program_itself(folder: Path) -> None:
    assert run(folder, "alone.py", value={"n": 5}).stdout == "5"
    assert run(folder, "-m", "penstock.agents", "alone.py", value={"n": 6}).stdout == "6"
    assert run(folder, "-m", "penstock.agents", "alone:one", value={"n": 7}).stdout == "7"


def test_a_wrong_input_names_its_fields(folder: Path) -> None:
    done = agent(folder, "report", {"nmae": "a", "times": "2"})

    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["type"], error["class"]) == (1, "InvalidInput", "validation")
    assert [problem["path"] for problem in error["problems"]] == ["nmae", "times", "name"]
    assert "stack" not in error


def test_an_input_that_is_no_json_is_said_so(folder: Path) -> None:
    error = json.loads(run(folder, "alone.py", text="{").stdout)["error"]

    assert error["class"] == "validation"
    assert "no JSON" in error["message"]


@pytest.mark.parametrize(
    ("how", "code", "type_", "class_", "message"),
    [
        ("raise", 1, "ValueError", None, "no such rule"),
        ("again", EXIT_TRY_AGAIN, "TryAgain", "temporary", "the index is being built"),
        ("limited", 1, "RateLimited", "rate_limit", "slow down"),
        ("timeout", 1, "TimeoutError", "timeout", "no answer"),
        ("exit", 1, "Exited", None, "exit(3)"),
        ("exit75", EXIT_TRY_AGAIN, "TryAgain", "temporary", "75"),
        ("value", 1, "NotSerialisable", "validation", "rows[0].at: "),
        ("huge", 1, "LimitReached", "resource", f"the limit is {OUTPUT_BYTES_MAX:,}"),
    ],
)
def test_a_failure_says_type_message_and_class(
    folder: Path, how: str, code: int, type_: str, class_: str | None, message: str
) -> None:
    done = agent(folder, "fail", {"how": how})

    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["type"], error.get("class")) == (code, type_, class_)
    assert message in error["message"]


def test_a_stack_begins_in_the_authors_code(folder: Path) -> None:
    stack = json.loads(agent(folder, "fail", {"how": "raise"}).stdout)["error"]["stack"]

    assert stack.startswith("Traceback (most recent call last):\n  File ")
    assert "in fail" in stack.splitlines()[1]
    assert "in inner" in stack
    assert "penstock" not in stack


def test_a_file_that_cannot_be_loaded_is_a_failure_with_its_stack(folder: Path) -> None:
    done = run(folder, "-m", "penstock.agents", "broken.py", value={})

    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["type"]) == (1, "ModuleNotFoundError")
    assert "nothing_of_that_name" in error["stack"]


def test_an_unknown_agent_is_answered_with_those_that_exist(folder: Path) -> None:
    error = json.loads(agent(folder, "reprot", {}).stdout)["error"]

    assert error["message"] == "agent.py has no @agent named 'reprot'; there is fail, report, rows, slowly"


def test_the_types_print_as_parts_of_a_manifest(folder: Path) -> None:
    done = run(folder, "-m", "penstock.agents", "schema", "agent.py:report")

    parts = yaml.safe_load(done.stdout)
    assert (parts["name"], parts["description"]) == ("report", "Writes a report.")
    assert parts["command"] == ["python", "-m", "penstock.agents", "agent.py:report"]
    jsonschema_rs.validate(parts["input"], {"name": "a"})
    jsonschema_rs.validate(parts["output"], {"path": "/out/a", "lines": ["a"]})


def test_importing_the_library_loads_no_third_party_package() -> None:
    program = (
        "import sys; before = set(sys.modules); import penstock.agents, penstock.agents.program;"
        "print([name for name in ('msgspec', 'pydantic', 'asyncio', 'inspect', 'penstock.contracts')"
        " if name in sys.modules and name not in before])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_every_error_class_of_the_library_is_one_of_the_contract() -> None:
    kinds = [AgentError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())

    assert {kind.error_class for kind in kinds} <= {str(each) for each in ErrorClass}
