"""The published schemas say what the readers accept, and the file in docs is current."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.contracts.duration import format_duration, parse_duration, parse_size
from penstock.contracts.workflow import Json
from penstock.definition import (
    agent,
    check,
    read,
    read_node,
    read_protection,
    read_shape,
    read_triggers,
    read_waiting,
)
from penstock.definition.schema import agent_schema, as_text, workflow_schema
from penstock.definition.schemas import compile_schema, schema_problems

DOCS = Path(__file__).parents[2] / "docs"


def test_the_published_schema_is_current() -> None:
    assert (DOCS / "definition.schema.json").read_text() == as_text(workflow_schema()), (
        "run: python -m penstock.definition.schema docs/definition.schema.json"
    )


def test_the_schemas_are_schemas_and_know_every_key() -> None:
    workflow, manifest = workflow_schema(), agent_schema()

    assert schema_problems(workflow) == ()
    assert schema_problems(manifest) == ()
    assert set(manifest["properties"]) == set(agent.AGENT_KEYS)
    assert set(manifest["properties"]["sandbox"]["properties"]) == set(agent.SANDBOX_KEYS)


def test_schema_and_readers_know_the_same_keys() -> None:
    schema = workflow_schema()
    node = schema["$defs"]["node"]["properties"]
    trigger = schema["properties"]["triggers"]["items"]["properties"]
    parts: list[tuple[Json, tuple[str, ...]]] = [
        (schema, read.WORKFLOW_KEYS),
        (schema["properties"]["concurrency"]["oneOf"][1], read.CONCURRENCY_KEYS),
        (schema["$defs"]["node"], read_node.NODE_KEYS),
        (schema["$defs"]["retry"]["oneOf"][1], read_protection.RETRY_KEYS),
        (node["compensate"]["oneOf"][1], read_protection.COMPENSATE_KEYS),
        (node["breaker"]["oneOf"][1], read_protection.BREAKER_KEYS),
        (node["repeat"], read_shape.REPEAT_KEYS),
        (node["cache"], read_shape.CACHE_KEYS),
        (node["approval"], read_waiting.APPROVAL_KEYS),
        (node["wait"], read_waiting.WAIT_KEYS),
        (node["wait"]["properties"]["event"]["oneOf"][1], read_waiting.EVENT_WAIT_KEYS),
        (schema["properties"]["triggers"]["items"], read_triggers.TRIGGER_KEYS),
        (trigger["schedule"], read_triggers.SCHEDULE_KEYS),
        (trigger["event"], read_triggers.EVENT_TRIGGER_KEYS),
        (trigger["alert"], read_triggers.ALERT_KEYS),
    ]

    for part, keys in parts:
        assert set(part["properties"]) == set(keys)
        assert part["additionalProperties"] is False


def node(**fields: Json) -> dict[str, Json]:
    return {"name": "w", "nodes": {"a": fields}}


def workflow(**fields: Json) -> dict[str, Json]:
    return {**node(agent="x"), **fields}


@pytest.mark.parametrize(
    "document",
    [
        {"name": "w", "nodes": {"a": {"agent": "x"}}},
        {"name": "w", "nodes": {"a": {"agent": "x", "retry": "none", "timeout": "1h30m"}}, "inputs": {}},
        {"name": "w", "nodes": {"a": {"agent": "x", "retry": {"delay": "1d", "retry_on": ["lost"]}}}},
        {"name": "W", "nodes": {"a": {"agent": "x"}}},
        {"name": "w", "nodes": {}},
        {"name": "w", "nodes": {"A": {"agent": "x"}}},
        {"name": "w", "nodes": {"a": {}}},
        node(agent="x", foreach=1),
        node(agent="x", foreach=[1, 2], max_parallel=4, tolerate_failures="10%"),
        node(agent="x", foreach="${{ inputs.l }}", tolerate_failures=0.1),
        node(agent="x", foreach=[1], tolerate_failures=1.5),
        node(agent="x", foreach=[1], tolerate_failures=True),
        node(agent="x", max_parallel=4),
        node(agent="x", workflow="y"),
        node(workflow="y", version=3, foreach=[1]),
        node(workflow="y", cache={"key": "${{ run.id }}", "ttl": "1h"}),
        node(agent="x", version=3),
        node(agent="x", cache={"key": "${{ run.id }}", "ttl": "1h"}),
        node(agent="x", cache={"key": "${{ run.id }}"}),
        node(agent="x", repeat={"until": "${{ output.done }}", "max": 3, "on_max": "succeed"}),
        node(agent="x", repeat={"until": "${{ output.done }}"}),
        node(agent="x", repeat={"until": "true", "max": 3}),
        node(agent="x", breaker=True),
        node(agent="x", breaker=False),
        node(agent="x", breaker={"failures": 3, "cooldown": "5m"}, depends_on=["mail"]),
        node(agent="x", depends_on="mail"),
        node(agent="x", compensate="y"),
        node(agent="x", compensate={"agent": "y", "with": {}, "retry": "none"}),
        node(agent="x", compensate={"with": {}}),
        node(approval={"message": "Go?", "timeout": "1d", "on_timeout": "skip", "assignees": ["ann"]}),
        node(approval={"message": "Go?", "form": {"type": "object"}, "no_self_approval": True}),
        node(approval={"message": "Go?", "on_timeout": "skip"}),
        node(approval={"message": "Go?", "assignees": []}),
        node(approval={}),
        node(approval={"message": "Go?"}, foreach=[1]),
        node(approval={"message": "Go?"}, timeout="5m"),
        node(wait={"duration": "90s"}),
        node(wait={"duration": "90s", "until": "2026-12-24T18:00:00Z"}),
        node(wait={"event": "com.github.push", "timeout": "5m", "on_timeout": "continue"}),
        node(wait={"event": {"type": "com.github.push", "if": "${{ event.data.ok }}", "look_back": "0s"}}),
        node(wait={"event": {"if": "${{ event.data.ok }}"}}),
        node(wait={"event": "com.github.*"}),
        node(wait={"duration": "90s", "timeout": "5m"}),
        node(wait={}),
        node(wait={"duration": "90s"}, **{"with": {}}),
        workflow(concurrency=3, on_failure="pause", compensation_policy="halt_on_error"),
        workflow(concurrency={"key": "${{ run.project }}", "limit": 2, "on_limit": "reject"}),
        workflow(concurrency=0),
        workflow(concurrency=True),
        workflow(triggers=[{"schedule": {"cron": "0 6 * * *", "timezone": "Europe/Zurich", "name": "dawn"}}]),
        workflow(triggers=[{"event": {"type": "a.b", "if": "${{ event.data.x }}", "input": {}}}]),
        workflow(triggers=[{"alert": {"match": {"severity": "critical"}}}]),
        workflow(triggers=[{"alert": {"match": {}}}]),
        workflow(triggers=[{"schedule": {}}]),
        workflow(triggers=[{"event": {"type": "a.b"}, "alert": {"match": {"a": "b"}}}]),
        workflow(triggers=[{}]),
        workflow(triggers={}),
        workflow(triggers=[{"event": {"type": "a"}}] * 21),
        {"name": "w", "nodes": {"a": {"agent": "x", "timeout": 5}}},
        {"name": "w", "nodes": {"a": {"agent": "x", "timeout": "5 m"}}},
        {"name": "w", "nodes": {"a": {"agent": "x", "retry": {"attempts": 101}}}},
        {"name": "w", "nodes": {"a": {"agent": "x"}}, "on_failure": "pause"},
        {"name": "w", "nodes": {"a": {"agent": "x"}}, "inputs": {"type": "strng"}},
    ],
)
def test_schema_and_reader_agree(document: dict[str, object]) -> None:
    errors = [problem for problem in check(as_text(document)) if problem.severity == "error"]

    assert compile_schema(workflow_schema()).is_valid(document) is (errors == [])


@given(st.integers(0, 10**12))
def test_a_duration_is_read_as_it_is_written(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)

    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("90s", 90), ("5m", 300), ("2h", 7_200), ("1d", 86_400), ("1h30m", 5_400), ("0s", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "5 m", "-5m", "1.5h", "m", "5M", "30m1h", "999999999d999h", "٣s", "1h\n"]
)
def test_what_is_no_duration(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize(("text", "size"), [("1B", 1), ("64KiB", 65_536), ("512MiB", 2**29), ("1GiB", 2**30)])
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "1", "1MB", "1 MiB", "-1MiB", "1.5GiB", "1TiB"])
def test_what_is_no_size(text: str) -> None:
    assert parse_size(text) is None
