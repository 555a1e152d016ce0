"""What an agent may know of its attempt and ask of its runner, over the socket and without one."""

import io
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from penstock.agents import NotAllowed, Parked, context
from penstock.agents.attempt import NotOffered, attempt_environment
from penstock.agents.errors import ConnectionLost, LimitReached
from penstock.agents.serialise import NotSerialisable
from tests.agents.gateway_server import GatewayServer, gateway


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GatewayServer]:
    monkeypatch.setenv("PENSTOCK_SOCKET", str(tmp_path / "s"))
    monkeypatch.setenv("PENSTOCK_ATTEMPT_KEY", "key-1")
    with gateway(tmp_path / "s") as running:
        yield running


def test_a_checkpoint_is_loaded_as_it_was_saved(server: GatewayServer) -> None:
    assert context.checkpoint.load() is None

    context.checkpoint.save({"done": {"b", "a"}, "at": datetime(2026, 1, 2, tzinfo=UTC)})

    assert context.checkpoint.load() == {"done": ["a", "b"], "at": "2026-01-02T00:00:00Z"}
    assert set(server.keys) == {"key-1"}


def test_a_checkpoint_above_the_limit_is_refused_with_the_runners_reason(server: GatewayServer) -> None:
    with pytest.raises(LimitReached, match="at most 1,000 bytes"):
        context.checkpoint.save("x" * 2_000)


def test_a_checkpoint_without_a_json_form_never_leaves(server: GatewayServer) -> None:
    with pytest.raises(NotSerialisable, match="f: "):
        context.checkpoint.save({"f": print})

    assert server.keys == []


def test_progress_is_told(server: GatewayServer) -> None:
    context.progress(3, 10, "scanning")

    assert server.progress == [{"done": 3, "total": 10, "message": "scanning"}]


def test_usage_is_told_and_an_unknown_cost_is_left_out(server: GatewayServer) -> None:
    context.report_usage("m", tokens_in=3, tokens_out=1, cost_dollars=0.25)
    context.report_usage("m", tokens_in=2)

    known = {"model": "m", "tokens_in": 3, "tokens_out": 1, "calls": 1, "cost_dollars": 0.25}
    assert server.usage == [known, {"model": "m", "tokens_in": 2, "tokens_out": 0, "calls": 1}]


def test_an_answer_is_given_to_who_asks_again(server: GatewayServer) -> None:
    server.answers["deploy"] = {"approved": True, "by": "ada", "fields": {"when": "now"}}

    answer = context.ask("deploy", "Deploy?", details={"files": {"b", "a"}}, assignees=["ada"])

    assert answer
    assert (answer.by, answer.comment, answer.fields) == ("ada", "", {"when": "now"})
    assert server.questions[0]["details"] == {"files": ["a", "b"]}


async def test_a_question_without_an_answer_ends_the_attempt_past_every_handler(
    server: GatewayServer,
) -> None:
    left = []
    try:
        try:
            await context.ask_async("deploy", "Deploy?")
        except Exception:
            left.append("swallowed")
        finally:
            left.append("finally")
    except Parked as error:
        left.append(str(error))

    assert left == ["finally", "a person is asked"]


def test_nobody_can_be_asked_outside_of_a_run() -> None:
    with pytest.raises(NotOffered, match="inside a run only"):
        context.ask("deploy", "Deploy?")


def test_a_secret_is_given_or_refused_with_the_reason(server: GatewayServer) -> None:
    assert context.secret("TOKEN") == "s3cret"
    with pytest.raises(NotAllowed, match=r"agent\.yaml does not list it"):
        context.secret("OTHER")


def test_a_file_is_stored_and_fetched(server: GatewayServer, tmp_path: Path) -> None:
    (tmp_path / "my report.html").write_bytes(b"<html>" * 1000)

    uri = context.put_artifact(tmp_path / "my report.html")

    assert uri == f"artifact://{'f' * 64}/my%20report.html"
    fetched = context.get_artifact(f"artifact://{'f' * 64}/report.html")
    assert (fetched.name, fetched.read_bytes()) == ("report.html", b"<html>" * 1000)


def test_a_folder_is_unpacked_but_not_outside_of_its_place(server: GatewayServer) -> None:
    server.artifacts["a" * 64] = _archive("src/main.py")
    server.artifacts["b" * 64] = _archive("../outside.py")

    folder = context.get_artifact(f"artifact://{'a' * 64}/tree/")

    assert (folder / "src" / "main.py").read_text() == "x"
    with pytest.raises(tarfile.OutsideDestinationError):
        context.get_artifact(f"artifact://{'b' * 64}/tree/")


@pytest.mark.parametrize("uri", ["http://x/y", "artifact://../name", f"artifact://{'a' * 64}/.."])
def test_what_is_no_artifact_is_refused(server: GatewayServer, uri: str) -> None:
    with pytest.raises(ValueError, match="expected artifact://"):
        context.get_artifact(uri)


async def test_async_agents_wait_without_blocking(server: GatewayServer, tmp_path: Path) -> None:
    await context.checkpoint.save_async([1])
    await context.progress_async(1)
    await context.report_usage_async("m", tokens_in=1)

    assert await context.checkpoint.load_async() == [1]
    assert await context.secret_async("TOKEN") == "s3cret"


def test_a_dead_runner_is_a_lost_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_SOCKET", str(tmp_path / "nobody"))

    with pytest.raises(ConnectionLost, match="the runner's socket"):
        context.progress(1)


def test_an_attempt_knows_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_RUN", "outer")
    monkeypatch.setenv("PENSTOCK_DEADLINE", "2026-01-31T12:00:00+00:00")
    token = attempt_environment.set({"RUN": "inner", "NODE": "scan", "ATTEMPT": "2", "IDEMPOTENCY_KEY": "k"})
    try:
        known = (context.run, context.node, context.attempt, context.idempotency_key)
    finally:
        attempt_environment.reset(token)

    assert known == ("inner", "scan", 2, "k")
    assert context.deadline == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert context.run == "outer"


def test_the_out_folder_is_made_when_first_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_OUT", str(tmp_path / "out" / "key"))

    assert not (tmp_path / "out").exists()
    assert context.out_folder.is_dir()


def test_outside_of_a_run_it_works_as_far_as_it_can(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PENSTOCK_SOCKET", raising=False)

    context.progress(1, 2)
    context.checkpoint.save([1])

    assert context.checkpoint.load() is None
    assert "progress 1 of 2" in capsys.readouterr().err
    with pytest.raises(NotOffered, match="inside a run only"):
        context.secret("TOKEN")


def _archive(name: str) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    return data.getvalue()
