"""What people do to a run over HTTP: approve, reject, pause, resume, undo, skip; and what they see of its parts."""

from typing import Any, get_args
from uuid import UUID

import httpx
import pytest

from orchestrator.domain.run import NodeState, RunState
from orchestrator.http.runs import StateName
from orchestrator.http.timeline import NodeStateName
from tests.http.builders import NOON, START, Rows, as_json, save, seconds

SIGN = """\
name: sign
nodes:
  ask:
    approval:
      message: "Ship ${{ inputs.what }}?"
      assignees: [bob, eve]
      no_self_approval: true
      form:
        type: object
        required: [window]
        additionalProperties: false
        properties: {window: {type: string}, risk: {type: integer}}
  ship: {agent: shipper, needs: [ask]}
"""
SPREAD = """\
name: spread
nodes:
  patch: {agent: patcher, foreach: "${{ inputs.patches }}", max_parallel: 2, compensate: {agent: reverter}}
"""
YES: dict[str, Any] = {"by": "bob", "comment": "fine", "fields": {"window": "night", "risk": 1}}


@pytest.fixture
async def asked(api: httpx.AsyncClient) -> str:
    """The path of a run that asks bob or eve; eve started it."""
    assert (await save(api, SIGN)).status_code == 201
    started = await api.post("/runs", json={"workflow": "sign", "input": {"what": "it"}, "by": "eve"})
    return f"/runs/{started.json()['id']}"


async def test_a_question_is_shown_to_those_who_may_answer(api: httpx.AsyncClient, asked: str) -> None:
    run = (await api.get(asked)).json()
    explained = (await api.get(f"{asked}/explain")).json()

    ask, ship = run["nodes"]
    assert (ask["kind"], ask["state"], ask["agent"], ask["pool"]) == ("approval", "suspended", None, None)
    assert (ship["kind"], ship["agent"]) == ("agent", "shipper")
    assert ask["waiting_for"]["is"] == "question"
    assert (ask["waiting_for"]["message"], ask["waiting_for"]["assignees"]) == ("Ship it?", ["bob", "eve"])
    assert run["started_by"] == "eve"
    assert explained["nodes"][0]["reason"]["code"] == "approval"


async def test_an_approval_is_taken_once_and_asking_again_changes_nothing(
    api: httpx.AsyncClient, asked: str
) -> None:
    first = await api.post(f"{asked}/nodes/ask/approve", json=YES)
    again = await api.post(f"{asked}/nodes/ask/approve", json=YES)

    assert (first.status_code, again.status_code) == (202, 202)
    ask, ship = first.json()["nodes"]
    assert ask["output"] == {
        "approved": True,
        "by": "bob",
        "comment": "fine",
        "fields": {"window": "night", "risk": 1},
        "timed_out": False,
    }
    assert ship["state"] == "ready"
    assert again.json()["seq"] == first.json()["seq"]


async def test_a_rejection_fails_the_node_and_cannot_be_taken_back(
    api: httpx.AsyncClient, asked: str
) -> None:
    rejected = await api.post(f"{asked}/nodes/ask/reject", json={"by": "bob", "comment": "not today"})
    late = await api.post(f"{asked}/nodes/ask/approve", json=YES)

    assert rejected.status_code == 202
    assert rejected.json()["state"] == "failed"
    assert rejected.json()["nodes"][0]["failure"]["message"] == "bob rejected it: not today"
    assert late.status_code == 409
    assert "node 'ask' is failed" in late.json()["detail"]


async def test_who_may_not_answer_hears_why(api: httpx.AsyncClient, asked: str) -> None:
    stranger = await api.post(f"{asked}/nodes/ask/approve", json=YES | {"by": "bop"})
    own = await api.post(f"{asked}/nodes/ask/approve", json=YES | {"by": "eve"})
    nobody = await api.post(f"{asked}/nodes/ask/approve", json={"comment": "fine"})

    assert (stranger.status_code, own.status_code, nobody.status_code) == (409, 409, 422)
    assert "did you mean 'bob'?" in stranger.json()["detail"]
    assert "'eve' started the run" in own.json()["detail"]
    assert nobody.json()["errors"] == [{"path": "by", "message": "is missing"}]


async def test_fields_that_do_not_fit_the_form_are_named(api: httpx.AsyncClient, asked: str) -> None:
    refused = await api.post(
        f"{asked}/nodes/ask/approve", json=YES | {"fields": {"risk": "high", "wndow": "night"}}
    )

    problems = {error["path"]: error["message"] for error in refused.json()["errors"]}
    assert refused.status_code == 422
    assert "'window' is missing" in problems["fields"]
    assert problems["fields.risk"].startswith("expected integer")
    assert "did you mean 'window'?" in problems["fields.wndow"]
    assert (await api.get(asked)).json()["nodes"][0]["state"] == "suspended"


async def test_an_answer_as_large_as_a_file_is_refused(api: httpx.AsyncClient, asked: str) -> None:
    large = await api.post(f"{asked}/nodes/ask/approve", json=YES | {"fields": {"window": "x" * 70_000}})

    assert large.status_code == 413
    assert large.json()["errors"][0]["path"] == "fields"


def test_the_filters_take_every_state_there_is() -> None:
    assert set(get_args(StateName)) == {state.value for state in RunState}
    assert set(get_args(NodeStateName)) == {state.value for state in NodeState}


async def test_only_a_node_that_asks_can_be_answered(api: httpx.AsyncClient, asked: str) -> None:
    agent = await api.post(f"{asked}/nodes/ship/approve", json={"by": "bob"})
    unknown = await api.post(f"{asked}/nodes/aks/reject", json={"by": "bob"})

    assert (agent.status_code, unknown.status_code) == (409, 404)
    assert "its agent has asked nothing; only ask can be answered" in agent.json()["detail"]
    assert "did you mean 'ask'?" in unknown.json()["detail"]


async def test_a_run_is_paused_and_resumed_each_once(greet: httpx.AsyncClient) -> None:
    run = f"/runs/{(await greet.post('/runs', json=START)).json()['id']}"
    why = {"by": "ada", "reason": "lunch"}

    paused = [await greet.post(f"{run}/pause", json=why) for _ in range(2)]
    explained = (await greet.get(f"{run}/explain")).json()
    retried = await greet.post(f"{run}/retry")
    resumed = [await greet.post(f"{run}/resume", json={"by": "bob"}) for _ in range(2)]

    assert [answer.status_code for answer in (*paused, *resumed)] == [202] * 4
    assert paused[1].json()["pause"] == {"cause": "person", "by": "ada", "reason": "lunch"}
    assert paused[1].json()["seq"] == paused[0].json()["seq"]
    assert explained["reason"]["choices"] == ["resume", "cancel"]
    assert retried.status_code == 409
    assert "resume it instead" in retried.json()["detail"]
    assert (resumed[1].json()["state"], resumed[1].json()["pause"]) == ("running", None)
    kinds = [event["kind"] for event in (await greet.get(f"{run}/events")).json()["items"]]
    assert (kinds.count("run.paused"), kinds.count("run.resumed")) == (1, 1)


async def test_what_a_run_is_not_in_a_state_for_is_refused_with_a_sentence(
    greet: httpx.AsyncClient,
) -> None:
    run = f"/runs/{(await greet.post('/runs', json=START)).json()['id']}"
    running = [await greet.post(f"{run}/{verb}") for verb in ("compensate", "skip")]
    await greet.post(f"{run}/cancel")
    ended = [await greet.post(f"{run}/{verb}") for verb in ("pause", "resume", "compensate", "skip")]

    assert [answer.status_code for answer in (*running, *ended)] == [409] * 6
    assert running[0].json()["detail"] == "the run is running; only a run that has ended can be undone"
    assert ended[0].json()["detail"] == "the run is cancelled; only a running run can be paused"
    assert ended[2].json()["detail"] == "nothing that succeeded in it can be undone"


async def test_a_run_of_items_shows_counts_and_has_pages_of_them(api: httpx.AsyncClient, rows: Rows) -> None:
    await save(api, SPREAD)
    run_id = await spread_run(rows)
    run = f"/runs/{run_id}"

    view = (await api.get(run)).json()
    first = (await api.get(f"{run}/nodes/patch/items", params={"limit": 2})).json()
    rest = (await api.get(f"{run}/nodes/patch/items", params={"limit": 2, "cursor": first["next"]})).json()
    failed = (await api.get(f"{run}/nodes/patch/items", params={"state": "failed"})).json()
    one = (await api.get(f"{run}/nodes/patch%5B1%5D")).json()
    explained = (await api.get(f"{run}/explain")).json()

    assert [node["name"] for node in view["nodes"]] == ["patch"]
    assert view["nodes"][0]["items"] == {
        "total": 4,
        "waiting": 1,
        "open": 1,
        "succeeded": 1,
        "failed": 1,
        "cancelled": 0,
        "compensated": 0,
    }
    assert view["progress"] == {"total": 1, "done": 0, "percent": 50}
    assert [item["index"] for item in first["items"] + rest["items"]] == [0, 1, 2]
    assert rest["next"] is None
    assert [(item["index"], item["failure"]["message"]) for item in failed["items"]] == [(1, "it broke")]
    assert (one["name"], one["state"], one["agent"]) == ("patch[1]", "failed", "patcher")
    assert explained["nodes"][0]["reason"]["items"] == [{"item": "patch[2]", "state": "ready"}]


async def spread_run(rows: Rows) -> UUID:
    run_id = await rows.run("spread", nodes_total=1, nodes_open=1, version=9)
    spread = {"is": "foreach", "total": 4, "next": 3, "open": 1, "succeeded": 1, "failed": 1}
    no_lease = {"token": None, "runner": None, "wake_at": None}
    await rows.node(run_id, "patch", "running", detail=as_json(spread), **no_lease)
    for index, state in enumerate(("succeeded", "failed", "ready")):
        await rows.node(run_id, f"patch[{index}]", state, part_of="patch")
    return run_id


async def test_pages_of_what_has_no_items_are_refused(api: httpx.AsyncClient, rows: Rows) -> None:
    await save(api, SPREAD)
    await save(api)
    run, greeting = f"/runs/{await spread_run(rows)}", f"/runs/{await rows.run()}"

    assert (await api.get(f"{greeting}/nodes/hello/items")).status_code == 422
    assert (await api.get(f"{greeting}/nodes/hello%5B0%5D")).status_code == 404
    assert (await api.get(f"{run}/nodes/patch%5B3%5D")).status_code == 404
    wrong = await api.get(f"{run}/nodes/patch/items", params={"state": "faild"})
    assert "did you mean 'failed'?" in wrong.json()["errors"][0]["message"]


async def test_an_undone_run_shows_how_each_node_was_undone(api: httpx.AsyncClient, rows: Rows) -> None:
    await save(api, SPREAD.replace('foreach: "${{ inputs.patches }}", max_parallel: 2, ', ""))
    undo = {"undo": {"by": "ada", "reason": "withdrawn"}}
    run_id = await rows.run("spread", nodes_total=1, nodes_open=0, state="compensating", detail=as_json(undo))
    await rows.node(run_id, "patch", "compensating")
    await rows.node(run_id, "patch:undo", "backoff", part_of="patch", attempt=2)

    run = (await api.get(f"/runs/{run_id}")).json()
    undoing = (await api.get(f"/runs/{run_id}/nodes/patch%3Aundo")).json()
    explained = (await api.get(f"/runs/{run_id}/explain")).json()

    assert run["undo"] == {"by": "ada", "reason": "withdrawn"}
    assert [node["name"] for node in run["nodes"]] == ["patch"]
    assert run["nodes"][0]["compensation"] == {
        "state": "backoff",
        "attempt": 2,
        "failure": None,
        "skipped_by": None,
    }
    assert undoing["agent"] == "reverter"
    assert [node["node"] for node in explained["nodes"]] == ["patch:undo"]


async def test_runs_name_their_parents_children_and_place_in_the_list(
    greet: httpx.AsyncClient, rows: Rows
) -> None:
    parent = await rows.run(number=7, labels='{"subject": "order-1"}', started_by="ada")
    place = {"parent": {"run": str(parent), "node": "hello", "attempt": 1, "depth": 1}}
    child = await rows.run("other", parent_run=parent, detail=as_json(place), state="succeeded")

    view = (await greet.get(f"/runs/{parent}")).json()
    listed = (await greet.get("/runs", params={"parent": str(parent)})).json()["items"]

    assert (view["subject"], view["number"], view["started_by"]) == ("order-1", 7, "ada")
    assert view["children"] == [
        {"node": "hello", "run": str(child), "workflow": "other", "version": 1, "state": "succeeded"}
    ]
    assert [run["id"] for run in listed] == [str(child)]
    assert listed[0]["parent"] == {"run": str(parent), "node": "hello"}


async def test_the_output_of_a_fork_is_read_from_the_run_that_has_it(
    greet: httpx.AsyncClient, rows: Rows
) -> None:
    source = await rows.run()
    await rows.node(
        source, "hello", "succeeded", output=as_json({"text": "hi"}), input=as_json({"name": "Ada"})
    )
    fork = await rows.run(source_run=source)
    await rows.node(
        fork, "hello", "succeeded", output_run=source, started_at=NOON, ended_at=NOON + seconds(1)
    )

    run = (await greet.get(f"/runs/{fork}")).json()
    page = (await greet.get(f"/runs/{fork}/nodes/hello")).json()

    assert run["source_run"] == str(source)
    assert run["nodes"][0]["output"] == page["output"] == {"text": "hi"}
    assert page["input"] == {"name": "Ada"}


async def test_the_list_takes_every_state(greet: httpx.AsyncClient, rows: Rows) -> None:
    paused = await rows.run(
        state="paused", detail=as_json({"pause": {"cause": "person", "by": "ada", "reason": ""}})
    )
    queued = await rows.run(state="queued", concurrency_key="repo")
    await rows.run(concurrency_key="repo")

    page = await greet.get("/runs", params={"state": ["paused", "queued", "compensating", "compensated"]})
    explained = (await greet.get(f"/runs/{queued}/explain")).json()

    assert {run["id"] for run in page.json()["items"]} == {str(paused), str(queued)}
    assert explained["reason"]["code"] == "queued"
    assert len(explained["reason"]["holders"]) == 1
