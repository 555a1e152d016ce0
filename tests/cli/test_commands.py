"""The commands, against a real Penstock: what they print, where, and with which exit code."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock_cli.api import Api
from penstock_cli.commands.up import apply_packs
from penstock_cli.embedded.ports import free_port
from tests.cli.conftest import PRESS, Shell

SLOW = "name: slow-one\nnodes:\n  nap: {agent: slow}\n  after: {agent: slow, needs: [nap]}\n"


@pytest.fixture
def press(penstock: Shell) -> Shell:
    """The command, with workflow `press-pages` saved."""
    assert penstock("apply", penstock.write("press.yaml", PRESS)).code == 0
    return penstock


@pytest.fixture
def slow_run(penstock: Shell) -> str:
    """The id of a run that goes on until it is cancelled."""
    started = penstock("run", penstock.write("slow.yaml", SLOW), "-o", "json").document
    return str(started["id"])


def test_the_shipped_packs_are_there_at_once(penstock: Shell) -> None:
    drawn = penstock("graph", "repository-guard", "-o", "json")

    assert drawn.code == 0
    assert "scan" in drawn.document["layers"][0]


def test_what_is_refused_of_a_pack_is_told_and_the_rest_is_there(
    penstock: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "store.yaml").write_text("name: torn\ntables: 7\n")
    (tmp_path / "torn.yaml").write_text("name: torn\n")
    (tmp_path / "whole.yaml").write_text("name: whole\nnodes: {rest: {wait: {duration: 1s}}}\n")

    names = apply_packs(Api(penstock.url), [tmp_path])

    told = capsys.readouterr().err
    assert "store.yaml" in told
    assert "torn.yaml" in told
    assert "whole" in names
    assert "torn" not in names


def test_an_unchanged_file_makes_no_new_version(press: Shell) -> None:
    again = press("apply", "press.yaml")

    assert "unchanged" in again.err


def test_an_awaited_run_prints_its_output_and_exits_0(press: Shell) -> None:
    done = press("run", "press-pages", "-i", "text=hello", "--wait")

    assert done.code == 0, done.err
    assert json.loads(done.out)["text"] == "hello"
    assert "press  succeeded" in done.err
    assert "--download" in done.err


def test_with_json_an_awaited_run_prints_one_document(press: Shell) -> None:
    done = press("run", "press-pages", "-i", "text=hello", "--wait", "-o", "json")

    assert done.document["state"] == "succeeded"
    assert [node["name"] for node in done.document["nodes"]] == ["press"]


def test_without_wait_the_runs_id_is_the_only_data(press: Shell) -> None:
    done = press("run", "press-pages", "-i", "text=hello")

    assert press("runs", "get", done.out.strip(), "--wait").code == 0


def test_a_failed_run_exits_1_and_shows_the_agents_own_error(press: Shell) -> None:
    done = press("run", "press-pages", "-i", "text=fail", "--wait")

    assert done.code == 1
    assert "Jammed: the press is jammed" in done.err


def test_a_string_stays_a_string_and_a_number_becomes_one(press: Shell) -> None:
    done = press("run", "press-pages", "-i", "text=42", "-i", "copies=7", "--wait", "-o", "json")

    assert done.document["output"]["text"] == "42"
    assert done.document["output"]["copies"] == 7


def test_a_file_is_uploaded_and_read_by_the_agent(press: Shell) -> None:
    press.write("notes.txt", "take note")

    done = press("run", "press-pages", "-i", "text=x", "-i", "source=@notes.txt", "--wait", "-o", "json")

    assert done.document["output"]["read"] == "take note"
    assert "9 B" in done.err


def test_a_folder_is_uploaded_without_its_history(press: Shell) -> None:
    tree = press.folder / "tree"
    for name in ("src", ".git", "node_modules"):
        (tree / name).mkdir(parents=True)
        (tree / name / "file").touch()

    done = press("run", "press-pages", "-i", "text=x", "-i", "source=@tree", "--wait", "-o", "json")

    assert done.document["output"]["read"] == ["src"]


def test_the_outputs_artifacts_are_saved_where_asked(press: Shell) -> None:
    done = press("run", "press-pages", "-i", "text=kept", "--download", "pages")

    assert done.code == 0
    assert (press.folder / "pages" / "page.html").read_text() == "<p>kept</p>"


def test_a_file_is_saved_before_it_is_run(penstock: Shell) -> None:
    text = PRESS.replace("press-pages", "from-a-file")

    done = penstock("run", penstock.write("from-a-file.yaml", text), "-i", "text=x", "--wait", "-o", "json")

    assert done.document["workflow"] == "from-a-file"


def test_the_same_idempotency_key_starts_one_run(press: Shell) -> None:
    key = ("--idempotency-key", str(time.time_ns()), "-o", "json")
    first, second = (press("run", "press-pages", "-i", "text=x", *key) for _ in range(2))

    assert first.document["id"] == second.document["id"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("press-page",), ["no workflow named 'press-page'"]),
        (("press-pages",), ["input", "text"]),
        (("press-pages", "-i", "txet=x"), ["no such input; did you mean 'text'?", "copies"]),
        (("press-pages", "-i", "text"), ["expected key=value or key=@path"]),
        (("press-pages", "-i", "text=x", "-i", "source=@nowhere"), ["no file or folder nowhere"]),
        (("press-pages", "-i", "text=x", "-i", "copies=many"), ["input.copies"]),
        (("press-pages", "-i", "text=x", "--version", "99"), ["99"]),
        (("absent.yaml",), ["absent.yaml", "No such file"]),
    ],
)
def test_what_cannot_be_started_says_why(press: Shell, arguments: tuple[str, ...], words: list[str]) -> None:
    done = press("run", *arguments, "-o", "json")

    assert done.code == 1
    assert all(word in done.err for word in words), done.err
    assert "error" in done.document


def test_an_invalid_file_is_told_line_by_line(penstock: Shell) -> None:
    text = "name: broken\nnodes:\n  a: {agent: press, needs: [b]}\n  c: {agent: press, retry: standrad}\n"

    done = penstock("apply", penstock.write("broken.yaml", text))

    assert done.code == 1
    assert "broken.yaml:3: error: nodes.a.needs" in done.err
    assert "broken.yaml:4: error: nodes.c.retry" in done.err
    assert "standard" in done.err


def test_events_are_one_document_a_line(press: Shell) -> None:
    run = press("run", "press-pages", "-i", "text=x", "--wait", "-o", "json").document["id"]

    events = [json.loads(line) for line in press("runs", "events", run, "-o", "json").out.splitlines()]

    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["kind"] == "run.succeeded"


def test_logs_show_what_the_agent_wrote_to_stderr(press: Shell) -> None:
    run = press("run", "press-pages", "-i", "text=loudly", "--wait", "-o", "json").document["id"]

    shown = poll(lambda: press("runs", "logs", run, "press").out, until="pressing loudly")

    assert "pressing loudly" in shown


def test_a_run_that_waits_is_explained_and_can_be_cancelled(penstock: Shell, slow_run: str) -> None:
    explained = penstock("runs", "explain", slow_run)
    cancelled = penstock("runs", "cancel", slow_run, "--reason", "enough")
    ended = penstock("runs", "get", slow_run, "--wait", "-o", "json")

    assert "nap" in explained.out
    assert "after" in explained.out
    assert cancelled.code == 0
    assert ended.code == 1
    assert ended.document["state"] == "cancelled"


def test_a_failed_run_can_be_retried_and_a_successful_one_not(press: Shell) -> None:
    failed = press("run", "press-pages", "-i", "text=fail", "--wait", "-o", "json").document["id"]
    well = press("run", "press-pages", "-i", "text=x", "--wait", "-o", "json").document["id"]

    assert press("runs", "retry", failed, "--wait").code == 1  # it was tried again, and failed again
    refused = press("runs", "retry", well)

    assert refused.code == 1
    assert "succeeded" in refused.err


def test_runs_are_listed_by_label(press: Shell) -> None:
    run = press("run", "press-pages", "-i", "text=x", "--label", "team=print", "-o", "json").document["id"]

    listed = press("runs", "ls", "--label", "team:print", "-o", "json").document["items"]

    assert run in [item["id"] for item in listed]
    assert press("runs", "ls").out.startswith("run ")


def test_agents_and_figures_are_shown(press: Shell) -> None:
    assert press("run", "press-pages", "-i", "text=x", "--wait").code == 0

    assert "Writes a page" in press("agents").out
    assert press("agents", "-o", "json").document["runners"][0]["alive"]
    assert "press-pages" in press("stats").out
    assert press("stats", "-o", "json").document["runs"]["succeeded"] >= 1


def test_an_absent_orchestrator_is_told_with_what_to_do(tmp_path: Path) -> None:
    nobody = Shell(url=f"http://127.0.0.1:{free_port()}", folder=tmp_path)

    done = nobody("runs", "ls", "-o", "json")

    assert done.code == 1
    assert "penstock up" in done.err
    assert "PENSTOCK_URL" in done.err
    assert done.document["error"]["type"] == "unreachable"


def test_validate_needs_no_server_and_tells_every_problem(tmp_path: Path) -> None:
    offline = Shell(url="http://127.0.0.1:1", folder=tmp_path)
    offline.write("good.yaml", PRESS)
    offline.write("bad.yaml", "name: Bad Name\nnodes:\n  a: {agent: x, timeout: soon}\n")

    done = offline("validate", "good.yaml", "bad.yaml", "-o", "json")

    assert done.code == 1
    assert [verdict["valid"] for verdict in done.document] == [True, False]
    assert len(done.document[1]["problems"]) >= 2
    assert "bad.yaml:3: error: nodes.a.timeout" in done.err


def test_graph_reads_standard_input(tmp_path: Path) -> None:
    offline = Shell(url="http://127.0.0.1:1", folder=tmp_path)

    assert "1 ─── press  press" in offline("graph", "-", text=PRESS).out
    assert offline("graph", "-", "--format", "mermaid", text=PRESS).out.startswith("flowchart TD")


def test_the_installed_command_keeps_data_and_words_apart(press: Shell) -> None:
    command = [
        sys.executable,
        "-m",
        "penstock_cli.main",
        "run",
        "press-pages",
        "-i",
        "text=x",
        "--wait",
        "-o",
        "json",
    ]

    done = subprocess.run(command, capture_output=True, env={"PENSTOCK_URL": press.url}, check=True)

    assert json.loads(done.stdout)["state"] == "succeeded"
    assert b"succeeded" in done.stderr


@pytest.mark.parametrize("kind", ["workflow", "agent"])
def test_schemas_are_json_schemas(tmp_path: Path, kind: str) -> None:
    schema = Shell(url="http://127.0.0.1:1", folder=tmp_path)("schema", kind).document

    assert schema["type"] == "object"
    assert "name" in schema["properties"]


def poll(look: Callable[[], str], *, until: str, patience_s: float = 10.0) -> str:
    """What `look` shows once it contains `until`, or at the end of patience."""
    deadline = time.monotonic() + patience_s
    while True:
        seen = look()
        if until in seen or time.monotonic() > deadline:
            return seen
        time.sleep(0.1)


def test_a_breaker_is_opened_with_a_reason_and_closed_again(penstock: Shell) -> None:
    opened = penstock("breakers", "open", "dependency/llm", "--for", "10m", "--reason", "maintenance")
    listed = penstock("breakers", "ls", "-o", "json")
    closed = penstock("breakers", "close", "dependency/llm", "-o", "json")
    wrong = penstock("breakers", "get", "dependency/lml")

    assert (opened.code, closed.code, wrong.code) == (0, 0, 1)
    assert "open until" in opened.out
    assert "maintenance" in opened.out
    assert [(each["key"], each["state"]) for each in listed.document["items"]] == [("dependency/llm", "open")]
    assert closed.document["events"][0]["by"]
    assert "did you mean 'dependency/llm'" in wrong.err
