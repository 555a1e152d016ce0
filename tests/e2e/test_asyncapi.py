"""docs/asyncapi.yaml describes what is on the bus: every message of runs in which everything happens is held to it."""

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from json import loads
from typing import Any
from uuid import uuid4

import jsonschema_rs
import nats
import pytest
import yaml
from nats.aio.msg import Msg

from penstock.bus import permissions
from penstock.contracts.timeline import Kind
from penstock.contracts.wire import encode
from tests.e2e.conftest import SPY, Api, Json, actor
from tests.e2e.test_budgets import answers, talks
from tests.e2e.test_stores import LEDGER, ledger
from tests.model_server import ModelServer
from tests.stack import ROOT, Stack

SPECIFICATION = yaml.safe_load((ROOT / "docs/asyncapi.yaml").read_text())
ON_ITS_OWN_SUBJECT = "penstock."
EVERY_TEN_SECONDS = {"Hello", "answerToHello"}  # may not have come meanwhile
NAP = {"agent": "sleeper", "with": {"seconds": 1.2}}  # long enough for a lease to be renewed


class Wiretap:
    """Holds each message to the document. `wrong` says what was not as described."""

    def __init__(self) -> None:
        self._channels = [
            (name, re.compile(pattern_of(channel["address"])))
            for name, channel in SPECIFICATION["channels"].items()
            if channel["address"]
        ]
        self._asked: dict[str, str] = {}  # inbox → the channel of its answer
        self.wrong: list[str] = []
        self.heard: defaultdict[str, int] = defaultdict(int)
        self.kinds: set[str] = set()
        self.events: defaultdict[str, set[int]] = defaultdict(set)
        self.traced = 0
        self.news = asyncio.Event()

    async def hear(self, message: Msg) -> None:
        name = self._asked.pop(message.subject, None)
        if name is None and message.subject.startswith(ON_ITS_OWN_SUBJECT):
            name = next((n for n, pattern in self._channels if pattern.fullmatch(message.subject)), None)
            if name is None:
                self.wrong.append(f"{message.subject} is not described")
        if name is None:
            return
        self.heard[name] += 1
        if message.reply and f"answerTo{name}" in SPECIFICATION["channels"]:
            self._asked[message.reply] = f"answerTo{name}"
        self._check(name, message)
        self.news.set()

    def _check(self, channel: str, message: Msg) -> None:
        described = SPECIFICATION["channels"][channel]["messages"]
        if channel == "events":
            kind = message.subject.split(".", 4)[4]
            described = {kind: described[kind]}
            event = loads(message.data)
            run, _, seq = event["id"].partition("/")
            self.kinds.add(kind)
            self.events[run].add(int(seq))
            self.traced += "traceparent" in event
            _, _, project, _, workflow = event["source"].split("/")
            if message.subject != f"penstock.event.{project}.{workflow}.{kind}":
                self.wrong.append(f"{message.subject} is not the subject of {event}")
        elif channel == "inbound":
            described = [described["binary" if "ce-specversion" in (message.headers or {}) else "structured"]]
            self._validate(message, described[0].get("headers", True), message.headers or {})
            described = {"": described[0]}
        (only,) = described.values()
        if only["payload"] is not True:
            self._validate(message, only["payload"], loads(message.data))

    def _validate(self, message: Msg, schema: Any, instance: Any) -> None:
        try:
            validator(schema).validate(instance)
        except jsonschema_rs.ValidationError as error:
            self.wrong.append(f"{message.subject}: {error.message} in {message.data[:500]!r}")


VALIDATORS: dict[int, jsonschema_rs.Validator] = {}


def validator(schema: Any) -> jsonschema_rs.Validator:
    if id(schema) not in VALIDATORS:
        VALIDATORS[id(schema)] = jsonschema_rs.validator_for(schema, validate_formats=True)
    return VALIDATORS[id(schema)]


def pattern_of(address: str) -> str:
    """`{kind}` and `{type}` may have several tokens."""
    escaped = re.escape(address).replace(r"\{", "{").replace(r"\}", "}")
    return re.sub(r"{(\w+)}", lambda m: ".+" if m[1] in ("kind", "type") else r"[^.]+", escaped)


@pytest.fixture
async def wiretap(stack: Stack) -> AsyncIterator[Wiretap]:
    login = stack.nats.login(SPY)
    client = await nats.connect(stack.nats.url, user=login.user, password=login.password)
    tap = Wiretap()
    await client.subscribe(">", cb=tap.hear)
    await client.flush()
    yield tap
    await client.close()


async def test_every_message_is_as_the_document_says(
    api: Api, stack: Stack, wiretap: Wiretap, model_server: ModelServer
) -> None:
    suffix = uuid4().hex[:6]
    model_server.on(answers)
    stories = (eventful, undone, stopped, forked_and_held, queued, booked, budgeted, inbound_in_headers)
    runs = [run for story in await asyncio.gather(*(s(api, stack, suffix) for s in stories)) for run in story]

    await everything_is_out(api, wiretap, runs)

    assert wiretap.wrong == []
    assert set(Kind) == wiretap.kinds
    assert set(SPECIFICATION["channels"]) - set(wiretap.heard) <= EVERY_TEN_SECONDS
    assert wiretap.traced > 0


async def everything_is_out(api: Api, wiretap: Wiretap, runs: list[str]) -> None:
    """The bus has told every event of these runs, without a gap."""
    expected = {run: set(range(1, (await api.get(f"/runs/{run}"))["seq"] + 1)) for run in runs}
    async with asyncio.timeout(10):
        while any(wiretap.events[run] < seqs for run, seqs in expected.items()):
            wiretap.news.clear()
            await wiretap.news.wait()
    assert {run: wiretap.events[run] for run in runs} == expected


async def eventful(api: Api, stack: Stack, suffix: str) -> list[str]:
    """Retries, items, repetitions, a cache, a sub-workflow, waits, an approval, a skipped node; succeeds."""
    await api.define({"name": f"child-{suffix}", "nodes": {"work": actor(value=1)}, "output": 1})
    workflow = {
        "name": f"eventful-{suffix}",
        "nodes": {
            "diary": {"agent": "diary"},
            "shaky": {"agent": "flaky", "with": {"value": 1}, "retry": {"attempts": 2, "delay": "10ms"}},
            "items": actor(value="${{ item }}", foreach="${{ [1, 2] }}"),
            "again": actor(value=1, repeat={"until": "${{ iteration == 2 }}", "max": 3}),
            "kept": actor(value=1, cache={"key": suffix, "ttl": "1h"}),
            "sub": {"workflow": f"child-{suffix}"},
            "nap": {"wait": {"duration": "10ms"}},
            "push": {"wait": {"event": {"type": "com.github.push"}}},
            "vain": {
                "wait": {"event": {"type": "com.github.never"}, "timeout": "50ms", "on_timeout": "skip"}
            },
            "ask": {"approval": {"message": "Go?", "assignees": ["ada"]}},
            "never": actor(value=1, **{"if": "${{ false }}"}),
        },
    }
    await api.define(workflow)
    headers = {"traceparent": f"00-{uuid4().hex}-{uuid4().hex[:16]}-01"}
    body = {"workflow": workflow["name"], "by": "eve"}
    run = str((await api.client.post("/api/v1/runs", json=body, headers=headers)).json()["id"])
    await api.until_node(run, "push", "suspended")
    await send_over_the_bus(stack, {"id": suffix, "data": {"n": 1}, "repo": "x"})
    await api.until_node(run, "ask", "suspended")
    await api.post(f"/runs/{run}/nodes/ask/approve", by="ada", comment="fine")
    assert (await api.ended(run))["state"] == "succeeded"
    child = (await api.get(f"/runs/{run}"))["children"][0]["run"]
    return [run, child]


async def undone(api: Api, stack: Stack, suffix: str) -> list[str]:
    """Undoing that fails, is retried, fails again and is skipped."""
    undo = {"agent": "actor", "with": {"value": "undo", "failures": 2}, "retry": "none"}
    nodes = {
        "one": actor(value=1, compensate=undo),
        "two": actor(value=2, needs=["one"], compensate={**undo, "with": {"value": "undo"}}),
        "bad": actor(value=3, needs=["two"], failures=9),
    }
    await api.define({"name": f"undone-{suffix}", "on_failure": "compensate", "nodes": nodes})
    run = await api.start(f"undone-{suffix}")
    await api.until_run(run, "paused")
    await api.post(f"/runs/{run}/retry", by="ada")
    await api.until_run(run, "paused")
    await api.post(f"/runs/{run}/skip", by="ada", node="one")
    await api.until_run(run, "compensated")
    return [run]


async def stopped(api: Api, stack: Stack, suffix: str) -> list[str]:
    """Paused, resumed, cancelled while it runs, and retried; in another one a person says no, to its agent too."""
    await api.define(
        {"name": f"stopped-{suffix}", "nodes": {"nap": NAP, "next": actor(value=1, needs=["nap"])}}
    )
    run = await api.start(f"stopped-{suffix}", by="eve")
    await api.until_node(run, "nap", "running")
    await api.post(f"/runs/{run}/pause", by="ada", reason="lunch")
    await api.post(f"/runs/{run}/resume", by="ada")
    await api.post(f"/runs/{run}/cancel", by="ada", reason="enough")
    await api.ended(run)
    await api.post(f"/runs/{run}/retry", by="ada")
    assert (await api.ended(run))["state"] == "succeeded"
    asks = {"agent": {"agent": "asker"}, "ask": {"needs": ["agent"], "approval": {"message": "Go?"}}}
    await api.define({"name": f"asks-{suffix}", "nodes": asks})
    rejected = await api.start(f"asks-{suffix}")
    for node in asks:
        await api.until_node(rejected, node, "suspended")
        await api.post(f"/runs/{rejected}/nodes/{node}/reject", by="ada", comment="no")
    await api.ended(rejected)
    return [run, rejected]


async def forked_and_held(api: Api, stack: Stack, suffix: str) -> list[str]:
    """A fork takes a result over; a breaker that a person opened holds its node back."""
    key = f"dependency/crm-{suffix}"
    call = actor(value=2, needs=["first"], depends_on=[f"crm-{suffix}"])
    await api.define({"name": f"forked-{suffix}", "nodes": {"first": actor(value=1), "call": call}})
    source = (await api.ended(await api.start(f"forked-{suffix}")))["id"]
    await api.post(f"/breakers/{key}/open", by="ada", reason="maintenance")
    fork = (await api.post(f"/runs/{source}/fork", **{"from": "call"}))["id"]
    await api.until_node(fork, "call", "suspended")
    await api.post(f"/runs/{fork}/cancel", by="ada", reason="enough")
    await api.ended(fork)
    return [source, fork]


async def queued(api: Api, stack: Stack, suffix: str) -> list[str]:
    """The second run waits for the slot of the first; the third is paused by its own failure."""
    concurrency = {"key": "one", "limit": 1, "on_limit": "queue"}
    await api.define({"name": f"queued-{suffix}", "concurrency": concurrency, "nodes": {"nap": NAP}})
    runs = [await api.start(f"queued-{suffix}") for _ in range(2)]
    bad = {"agent": "villain", "with": {"deed": "exit-3"}, "retry": "none"}  # it leaves a stack in its log
    await api.define({"name": f"pauses-{suffix}", "on_failure": "pause", "nodes": {"bad": bad}})
    failing = await api.start(f"pauses-{suffix}")
    await api.until_run(failing, "paused")
    await api.post(f"/runs/{failing}/resume", by="ada")
    for run in (*runs, failing):
        await api.ended(run)
    return [*runs, failing]


async def inbound_in_headers(api: Api, stack: Stack, suffix: str) -> list[str]:
    """An event whose attributes are headers."""
    headers = {"ce-specversion": "1.0", "ce-id": suffix, "ce-source": "/test", "ce-type": "com.example.note"}
    await publish(stack, "penstock.in.default.com.example.note", b'{"n": 1}', headers)
    return []


async def booked(api: Api, stack: Stack, suffix: str) -> list[str]:
    """Rows of a store are written, read, and undone."""
    await api.client.put("/api/v1/stores/ledger", json=LEDGER)
    book = ledger(book={suffix: {"balance": 1}}, compensate={"agent": "ledger", "with": {"undo": True}})
    await api.define({"name": f"booked-{suffix}", "nodes": {"book": book}})
    run = (await api.ended(await api.start(f"booked-{suffix}")))["id"]
    await api.post(f"/runs/{run}/compensate", by="ada")
    await api.until_run(run, "compensated")
    return [run]


async def budgeted(api: Api, stack: Stack, suffix: str) -> list[str]:
    """A model is called, the budget is spent, and a person raises it."""
    await api.define(talks(f"talks-{suffix}", "ask"))
    run = await api.start(f"talks-{suffix}")
    await api.until_node(run, "work", "suspended")
    await api.post(f"/runs/{run}/nodes/work/approve", by="ada", fields={"tokens": 5000})
    await api.ended(run)
    return [run]


async def send_over_the_bus(stack: Stack, event: Json) -> None:
    document = {"specversion": "1.0", "source": "/github", "type": "com.github.push", **event}
    await publish(stack, "penstock.in.default.com.github.push", encode(document))


async def publish(stack: Stack, subject: str, body: bytes, headers: dict[str, str] | None = None) -> None:
    login = stack.nats.login(permissions.PUBLISHER)
    inbox = permissions.inbox(login.user)
    client = await nats.connect(stack.nats.url, user=login.user, password=login.password, inbox_prefix=inbox)
    await client.jetstream().publish(subject, body, headers=headers)
    await client.close()
