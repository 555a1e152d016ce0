"""The published schemas say what the readers accept, and the file in docs is current."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.contracts.duration import format_duration, parse_duration, parse_size
from penstock.definition import agent, check, read
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
    assert set(workflow["properties"]) == set(read.WORKFLOW_KEYS)
    assert set(workflow["$defs"]["node"]["properties"]) == set(read.NODE_KEYS)
    assert set(workflow["$defs"]["retry"]["oneOf"][1]["properties"]) == set(read.RETRY_KEYS)
    assert set(manifest["properties"]) == set(agent.AGENT_KEYS)
    assert set(manifest["properties"]["sandbox"]["properties"]) == set(agent.SANDBOX_KEYS)


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
        {"name": "w", "nodes": {"a": {"agent": "x", "foreach": 1}}},
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
