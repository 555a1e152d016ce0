"""The programs of docs/guides/events.md, run as they stand there, by plain clients in processes of their own."""

import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import jsonschema_rs
import pytest

from orchestrator.bus.event_schemas import schema_of_event
from penstock.bus import permissions
from penstock.contracts.timeline import Kind
from tests.e2e.conftest import Api, actor, node_of
from tests.stack import ROOT, Stack

PAGE = (ROOT / "docs/guides/events.md").read_text()
PROGRAMS = dict(re.findall(r"^```(?:bash|python) (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
PUSH = {
    "wait": {"event": {"type": "com.example.push", "if": "${{ event.id == inputs.id }}", "look_back": "1m"}}
}
ENDED = "penstock.run.succeeded"
SHORT = {"name": "guide-short", "nodes": {"one": actor(value=1), "two": actor(value=2, needs=["one"])}}


class Guide:
    """Starts the page's programs with the environment that it names."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "PENSTOCK_URL": stack.url,
            "NATS_HOST": "127.0.0.1",
            "NATS_PORT": str(stack.nats.port),
            "OBSERVER_PASSWORD": stack.nats.login(permissions.OBSERVER).password,
            "PUBLISHER_PASSWORD": stack.nats.login(permissions.PUBLISHER).password,
        }
        for name, text in PROGRAMS.items():
            (folder / name).write_text(text)

    async def start(self, name: str, *arguments: str, more: Mapping[str, str] | None = None) -> Process:
        language = [sys.executable] if name.endswith(".py") else ["bash", "-eu"]
        environment = self.environment | dict(more or {})
        return await asyncio.create_subprocess_exec(
            *language, name, *arguments, cwd=self.folder, env=environment, stdout=PIPE, stderr=PIPE
        )

    async def run(self, name: str, *arguments: str, **more: str) -> str:
        process = await self.start(name, *arguments, more=more)
        said, complained = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0, complained.decode()
        return said.decode()


@pytest.fixture
def guide(stack: Stack, tmp_path: Path) -> Guide:
    return Guide(stack, tmp_path)


async def lines_until(process: Process, text: str) -> list[str]:
    """What it prints, up to the line with this text; then it is ended."""
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(20):
        while not lines or text not in lines[-1]:
            line = await process.stdout.readline()
            assert line, (await process.stderr.read()).decode() if process.stderr else ""
            lines.append(line.decode().rstrip())
    process.kill()
    await process.wait()
    return lines


@pytest.mark.parametrize(
    ("program", "ids"),
    [("send.sh", ("push-1", "push-2")), ("send.py", ("push-3",)), ("publish.sh", ("push-4",))],
)
async def test_what_the_guide_sends_is_taken(
    api: Api, guide: Guide, program: str, ids: tuple[str, ...]
) -> None:
    await api.define({"name": "guide-push", "nodes": {"push": PUSH}})
    said = await guide.run(program)

    runs = [await api.ended(await api.start("guide-push", {"id": id})) for id in ids]

    assert {run["state"] for run in runs} == {"succeeded"}
    for run in runs:
        output = (await api.get(f"/runs/{run['id']}/nodes/push"))["output"]
        assert (output["event"]["source"], output["event"]["data"]) == ("/git", {"ref": "main"})
    assert program != "publish.sh" or '"INBOX"' in said


async def test_events_are_read_live_in_order_and_each_once(api: Api, guide: Guide, stack: Stack) -> None:
    await api.define(SHORT)
    reader = await guide.start("read.py", "new", more={"SUBJECT": "penstock.event.*.guide-short.>"})
    assert reader.stderr is not None
    assert await reader.stderr.readline() == b"listening\n"
    run = await api.start("guide-short")

    lines = await lines_until(reader, ENDED)

    expected = [f"{run}/{event['seq']} penstock.{event['kind']}" for event in await api.events(run)]
    assert [" ".join(line.split()[1:3]) for line in lines] == expected
    assert node_of(await api.ended(run), "two")["state"] == "succeeded"


async def test_events_are_read_again_from_a_moment_and_from_a_number(api: Api, guide: Guide) -> None:
    since = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    run = (await api.run(SHORT))["id"]
    only = {"SUBJECT": "penstock.event.*.guide-short.>"}

    from_moment = await lines_until(await guide.start("read.py", "since", since, more=only), ENDED)
    place = from_moment[3].split()[0]
    from_number = await lines_until(await guide.start("read.py", "from", place, more=only), ENDED)
    in_shell = await lines_until(await guide.start("read.sh", since), f'"type":"{ENDED}"')
    over_http = (await guide.run("timeline.sh", RUN=run)).splitlines()

    assert from_number == from_moment[3:]
    assert [line.split()[1] for line in from_moment] == [f"{run}/{n + 1}" for n in range(len(from_moment))]
    assert next(line for line in in_shell if run in line).startswith(f'{{"id":"{run}/1"')
    assert len([line for line in in_shell if f'"{run}/' in line]) == len(from_moment) == len(over_http)


async def test_a_reader_goes_on_where_it_had_stopped(api: Api, guide: Guide) -> None:
    await guide.run("go_on.py")
    run = (await api.run(SHORT))["id"]

    first, second = await guide.run("go_on.py"), await guide.run("go_on.py")

    assert f"{run}/1" in first.splitlines()
    assert f"{run}/" not in second


def test_the_event_that_the_guide_shows_is_one() -> None:
    (shown,) = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    schema = schema_of_event(Kind.NODE_ATTEMPT_FAILED)

    jsonschema_rs.validator_for(schema, validate_formats=True).validate(json.loads(shown))


def test_the_order_is_that_of_the_numbers_whatever_overtakes_or_repeats() -> None:
    source = re.search(r"^class InOrder.*?(?=^def )", PROGRAMS["read.py"], re.MULTILINE | re.DOTALL)
    assert source is not None
    space: dict[str, type] = {}
    exec("from collections.abc import Iterator\n" + source[0], space)
    in_order = space["InOrder"]()

    told = [
        e["id"] for n in ("a/1", "a/3", "b/7", "a/1", "a/4", "a/2", "a/3") for e in in_order.add({"id": n})
    ]

    assert told == ["a/1", "b/7", "a/2", "a/3", "a/4"]
