"""What people read: problems, events, durations, graphs."""

import io
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from penstock.contracts.workflow import NodeDefinition, RunIf, WorkflowDefinition
from penstock.definition import load
from penstock_cli import drawing, formats
from penstock_cli.errors import Refused
from penstock_cli.follow import event_line, run_picture
from penstock_cli.parts import relations, subject_of
from penstock_cli.saving import problem_line

GUARD = WorkflowDefinition(
    name="guard",
    nodes=(
        NodeDefinition(name="scan", agent="scanner"),
        NodeDefinition(name="licenses", agent="license-checker"),
        NodeDefinition(
            name="review",
            agent="reviewer",
            needs=("licenses",),
            if_="${{ size(nodes.scan.output.findings) > 0 }}",
        ),
        NodeDefinition(name="end", agent="reporter", needs=("review",), run_if=RunIf.ALL_DONE),
    ),
)


RUN = {
    "id": "1",
    "workflow": "w",
    "version": 1,
    "state": "running",
    "progress": {"done": 0, "total": 100},
    "created_at": "2026-11-20T10:00:00Z",
    "ended_at": "2026-11-20T10:00:01Z",
}


def test_a_refusal_names_every_field_and_the_request() -> None:
    refused = Refused(
        {
            "title": "Invalid input",
            "detail": "the input does not fit the workflow",
            "request_id": "r-1",
            "errors": [
                {"path": "input.repository", "message": "is required"},
                {"path": "input.threshold", "message": "expected 'low' or 'high'"},
            ],
        }
    )

    assert str(refused).splitlines() == [
        "the input does not fit the workflow",
        "  input.repository: is required",
        "  input.threshold: expected 'low' or 'high'",
        "  (request r-1)",
    ]


def test_a_problem_reads_like_a_compilers() -> None:
    problem = {"path": "nodes.scan.agent", "message": "is required", "line": 7, "severity": "error"}

    assert problem_line(Path("guard.yaml"), problem) == "guard.yaml:7: error: nodes.scan.agent: is required"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0421, "42 ms"), (3.44, "3.4 s"), (125.0, "2 min 05 s"), (3_725.0, "1 h 02 min"), (None, "")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (4300, "4.2 KiB"), (18 * 1024**2, "18.0 MiB"), (2**31, "2.0 GiB")],
)
def test_sizes(count: int, text: str) -> None:
    assert formats.size(count) == text


def test_an_event_reads_as_a_line() -> None:
    event = {
        "at": "2026-11-20T10:02:11Z",
        "kind": "node.attempt_failed",
        "node": "scan",
        "attempt": 2,
        "data": {"failure": {"type": "Timeout", "message": "no\nanswer"}, "retry_in_s": 0.5},
    }

    assert event_line(event).endswith(
        "  scan  attempt failed  attempt 2  Timeout: no answer  again in 500 ms"
    )


def test_a_large_run_shows_what_runs_and_counts_the_rest() -> None:
    nodes = [_node(f"n{number}", "waiting") for number in range(100)]
    nodes[70] = _node("busy", "running")
    run = {**RUN, "nodes": nodes}

    text = _rendered(run_picture(run, lines_max=16))

    assert "busy" in text
    assert "… and 90 nodes more" in text


def test_what_a_running_agent_says_of_its_progress_stands_beside_its_runner() -> None:
    told = {"done": 3.0, "total": 10.0, "message": "pages", "at": "2026-11-20T10:00:00Z"}
    running = {**_node("scan", "running"), "runner": "runner-1"}
    run = {**RUN, "nodes": [{**running, "progress": told}]}

    assert "on runner-1: 3 of 10, pages" in _rendered(run_picture(run))
    assert "on runner-1" in _rendered(run_picture({**run, "nodes": [running]}))


def test_each_node_stands_below_what_it_needs() -> None:
    assert drawing.as_document(GUARD)["layers"] == [["scan", "licenses"], ["review"], ["end"]]


def test_the_text_drawing_shows_layers_edges_and_conditions() -> None:
    assert drawing.as_text(GUARD).splitlines() == [
        "guard: 4 nodes in 3 layers",
        "",
        "1 ─┬─ scan      scanner",
        "   └─ licenses  license-checker",
        "   │",
        "2 ─── review    reviewer         ◀ licenses, scan  if ${{ size(nodes.scan.output.findings) > 0 }}",
        "   │",
        "3 ─── end       reporter         ◀ review  (all_done)",
    ]


def test_mermaid_survives_a_node_named_as_a_keyword() -> None:
    lines = drawing.as_mermaid(GUARD).splitlines()

    assert lines[0] == "flowchart TD"
    assert '  n3["end<br/><small>reporter</small>"]' in lines
    assert {"  n1 --> n2", "  n0 --> n2", "  n2 --> n3"} <= set(lines)


def test_dot_has_every_node_and_edge() -> None:
    text = drawing.as_dot(GUARD)

    assert text.startswith('digraph "guard" {')
    assert '"scan" -> "review";' in text
    assert text.count("->") == 3


def test_every_kind_of_node_is_drawn_with_what_it_does() -> None:
    definition = load("""
        name: kinds
        nodes:
          patch: {agent: patcher, foreach: [1], repeat: {until: "${{ output.ok }}", max: 3}}
          deploy: {workflow: deployment, version: 2}
          ask: {approval: {message: Go?}}
          rest: {wait: {duration: 90s}}
          late: {wait: {duration: '${{ inputs["x"] }}'}}
          dawn: {wait: {until: "2026-12-24T06:00:00Z"}}
          push: {wait: {event: com.github.push}}
    """).definition

    text, dot = drawing.as_text(definition), drawing.as_dot(definition)

    for name, what in (
        ("patch", "patcher × each ↻ at most 3"),
        ("deploy", "workflow deployment version 2"),
        ("ask", "approval"),
        ("rest", "wait 1m30s"),
        ("late", "wait ${{ inputs['x'] }}"),
        ("dawn", "wait until 2026-12-24T06:00:00Z"),
        ("push", "wait for com.github.push"),
    ):
        assert f"{name:<6}  {what}" in text
        assert f'[label="{name}\\n{what}"]' in dot
    assert drawing.as_document(definition)["nodes"][1]["kind"] == "workflow"


def test_a_workflow_of_the_largest_size_is_drawn_at_once() -> None:
    chain = tuple(
        NodeDefinition(
            name=f"n{i}", agent="a", needs=(f"n{i - 1}",) if i else (), timeout=timedelta(seconds=1)
        )
        for i in range(5_000)
    )

    assert len(drawing.as_document(WorkflowDefinition(name="w", nodes=chain))["layers"]) == 5_000


def _node(name: str, state: str) -> dict[str, object]:
    times = {"started_at": None, "ended_at": None}
    return {
        "name": name,
        "state": state,
        "agent": "a",
        "attempt": 0,
        "needs": [],
        "failure": None,
        "runner": None,
        **times,
    }


def _rendered(picture: RenderableType) -> str:
    page = io.StringIO()
    console = Console(file=page, width=100)
    console.print(picture)
    return page.getvalue()


def test_a_run_that_nobody_numbered_is_shown_with_its_subject_alone() -> None:
    numbered, older = {"subject": "ticket-7", "number": 3}, {"subject": "ticket-7", "number": None}

    assert [subject_of(run) for run in (numbered, older)] == ["ticket-7 #3", "ticket-7"]
    assert list(relations(numbered)) == ["run 3 of ticket-7"]
    assert list(relations(older)) == ["subject ticket-7"]


def test_an_undoing_without_a_reason_names_who_asked_for_it() -> None:
    run = {"undo": {"by": "carla", "reason": ""}}

    assert list(relations(run)) == ["undone, asked for by carla"]
