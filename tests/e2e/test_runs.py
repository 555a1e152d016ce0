"""What a workflow does, from its definition to its result, through the public API."""

import asyncio
from uuid import UUID

from tests.e2e.conftest import Api, Json, node_of, states
from tests.invariants import broken_invariants
from tests.stack import Stack


def steady(**fields: Json) -> Json:
    return {"agent": "steady", "with": {"value": "${{ inputs.value }}"}, **fields}


async def test_values_keep_their_types_on_their_way_through_a_run(api: Api) -> None:
    given = {"n": 7, "x": 1.5, "flag": True, "nothing": None, "list": [1, "two"], "map": {"a": {"b": []}}}

    run = await api.run(
        {
            "name": "types",
            "nodes": {
                "first": {"agent": "steady", "with": {"all": "${{ inputs }}", "text": "n=${{ inputs.n }}"}},
                "second": {"agent": "steady", "with": {"again": "${{ nodes.first.output.all }}"}},
            },
            "output": {"all": "${{ nodes.second.output.again }}", "text": "${{ nodes.first.output.text }}"},
        },
        given,
    )

    assert run["output"] == {"all": given, "text": "n=7"}


async def test_a_two_node_workflow_with_hyphenated_names_works(api: Api) -> None:
    run = await api.run(
        {
            "name": "hyphens",
            "nodes": {
                "sign-off": steady(),
                "sign": {"agent": "steady", "with": {"value": "${{ nodes.sign-off.output.value - 1 }}"}},
            },
            "output": "${{ nodes.sign.output.value }}",
        },
        {"value": 42},
    )

    assert (run["state"], run["output"]) == ("succeeded", 41)


async def test_conditions_skip_and_run_if_decides_for_the_dependents(api: Api) -> None:
    run = await api.run(
        {
            "name": "branches",
            "nodes": {
                "left": steady(**{"if": "${{ inputs.value > 5 }}"}),
                "right": steady(**{"if": "${{ inputs.value <= 5 }}"}),
                "after-left": steady(needs=["left"]),
                "any": steady(needs=["left", "right"], run_if="any_succeeded"),
                "all": steady(needs=["left", "right"]),
                "done": steady(needs=["after-left", "all"], run_if="all_done"),
            },
        },
        {"value": 9},
    )

    assert node_of(run, "right")["output"] == {}
    assert states(run) == {
        "left": "succeeded",
        "right": "skipped",
        "after-left": "succeeded",
        "any": "succeeded",
        "all": "skipped",
        "done": "succeeded",
    }


async def test_a_failing_expression_fails_its_node_and_says_why(api: Api) -> None:
    run = await api.run(
        {
            "name": "bad-expression",
            "nodes": {
                "first": steady(),
                "second": {"agent": "steady", "with": {"x": "${{ nodes.first.output.absent }}"}},
            },
        },
        {"value": 1},
    )

    failure = node_of(run, "second")["failure"]
    assert run["state"] == "failed"
    assert "nodes.first.output.absent" in failure["message"]
    assert failure["error_class"] == "validation"


async def test_try_again_later_is_tried_again(api: Api) -> None:
    run = await api.run(
        {"name": "flaky-one", "nodes": {"shy": {"agent": "flaky", "with": {"value": "${{ inputs.value }}"}}}},
        {"value": 3},
    )

    assert run["state"] == "succeeded"
    assert node_of(run, "shy")["output"] == {"value": 3, "attempt": 2}
    kinds = [event["kind"] for event in (await api.get(f"/runs/{run['id']}/events"))["items"]]
    assert kinds.count("node.attempt_failed") == 1


async def test_on_failure_continue_lets_independent_branches_end(api: Api) -> None:
    bad = {"agent": "villain", "with": {"deed": "exit-3"}, "retry": "none"}

    run = await api.run(
        {
            "name": "two-branches",
            "on_failure": "continue",
            "nodes": {
                "bad": bad,
                "after-bad": steady(needs=["bad"]),
                "a": steady(),
                "b": steady(needs=["a"]),
            },
        },
        {"value": 1},
    )

    assert run["state"] == "failed"
    assert states(run) == {"bad": "failed", "after-bad": "skipped", "a": "succeeded", "b": "succeeded"}
    assert "bad" in run["failure"]["message"]


async def test_identical_concurrent_requests_create_one_run(api: Api) -> None:
    await api.define({"name": "once", "nodes": {"only": steady()}})
    body = {"workflow": "once", "input": {"value": 1}, "idempotency_key": "the-one"}

    answers = await asyncio.gather(*(api.client.post("/api/v1/runs", json=body) for _ in range(30)))

    assert sorted({answer.status_code for answer in answers}) == [200, 201]
    assert [answer.status_code for answer in answers].count(201) == 1
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_cancel_stops_an_agent_that_ignores_sigterm(api: Api) -> None:
    await api.define(
        {"name": "stubborn", "nodes": {"deaf": {"agent": "villain", "with": {"deed": "ignore-term"}}}}
    )
    run = await api.start("stubborn")
    await api.until_node(run, "deaf", "running")

    answer = await api.client.post(f"/api/v1/runs/{run}/cancel", json={"reason": "enough"})
    ended = await api.ended(run, seconds=30)

    assert answer.status_code == 202
    assert (ended["state"], states(ended)) == ("cancelled", {"deaf": "cancelled"})


async def test_retry_of_a_failed_run_keeps_what_succeeded(api: Api) -> None:
    await api.define(
        {
            "name": "second-chance",
            "nodes": {
                "good": steady(),
                "shy": {"agent": "flaky", "with": {"value": 1}, "retry": "none", "needs": ["good"]},
            },
        }
    )
    run = await api.start("second-chance", {"value": 1})
    first = await api.ended(run)

    answer = await api.client.post(f"/api/v1/runs/{run}/retry", json={})
    second = await api.ended(run)

    assert (first["state"], answer.status_code, second["state"]) == ("failed", 202, "succeeded")
    assert node_of(second, "good")["attempt"] == 1
    assert node_of(second, "shy")["attempt"] == 2


async def test_a_run_that_takes_too_long_is_ended(api: Api) -> None:
    run = await api.run(
        {
            "name": "endless",
            "timeout": "1s",
            "nodes": {"nap": {"agent": "villain", "with": {"deed": "sleep"}}},
        }
    )

    assert run["state"] == "failed"
    assert run["failure"]["error_class"] == "timeout"


async def test_explain_says_why_a_node_waits(api: Api) -> None:
    await api.define(
        {
            "name": "nobody-offers",
            "nodes": {"lonely": {"agent": "steadyy", "with": {}}, "next": steady(needs=["lonely"])},
        }
    )
    run = await api.start("nobody-offers", {"value": 1})

    explanation = await api.get(f"/runs/{run}/explain")
    await api.client.post(f"/api/v1/runs/{run}/cancel", json={})

    lonely, following = explanation["nodes"]
    assert "steadyy" in lonely["sentence"]
    assert "lonely" in following["sentence"]
    assert lonely["reason"]["code"] != following["reason"]["code"]


async def test_a_killed_runner_loses_its_lease_and_the_run_completes(api: Api, stack: Stack) -> None:
    await api.define(
        {"name": "survivor", "nodes": {"nap": {"agent": "sleeper", "with": {"seconds": 2}, "timeout": "30s"}}}
    )
    run = await api.start("survivor")
    await api.until_node(run, "nap", "running")

    stack.kill("runner-0")
    stack.start("runner-0")
    ended = await api.ended(run)

    nap = await api.get(f"/runs/{run}/nodes/nap")
    assert ended["state"] == "succeeded"
    assert [attempt["outcome"] for attempt in nap["attempts"]] == ["failed", "succeeded"]
    assert nap["attempts"][0]["failure"]["error_class"] == "lost"


async def test_an_attempt_says_which_sandbox_it_ran_in_and_what_it_used(api: Api) -> None:
    run = await api.run(
        {"name": "measured", "nodes": {"nap": {"agent": "sleeper", "with": {"seconds": 0.1}}}}
    )

    (attempt,) = (await api.get(f"/runs/{run['id']}/nodes/nap"))["attempts"]
    assert attempt["agent_version"] == "1.0.0"
    (done,) = [
        event
        for event in (await api.get(f"/runs/{run['id']}/events"))["items"]
        if event["kind"] == "node.succeeded"
    ]
    assert attempt["tier"] == done["data"]["tier"] == "bwrap"
    assert done["data"]["seconds"] >= 0.1
    assert done["data"]["memory_bytes"] > 0


async def test_logs_of_an_agent_are_kept_by_line(api: Api) -> None:
    run = await api.run(
        {
            "name": "talker",
            "nodes": {"third": {"agent": "villain", "with": {"deed": "exit-3"}, "retry": "none"}},
        }
    )

    async with asyncio.timeout(15):
        while not (logs := (await api.get(f"/runs/{run['id']}/nodes/third/logs"))["items"]):
            await asyncio.sleep(0.1)

    assert any("RuntimeError: the third way out" in line["text"] for line in logs)
    assert [line["line"] for line in logs] == list(range(1, len(logs) + 1))


async def test_ready_and_metrics_answer(api: Api) -> None:
    ready = (await api.client.get("/ready")).json()
    metrics = (await api.client.get("/metrics")).text

    assert (await api.client.get("/health")).json() == {"status": "ok"}
    assert {"postgresql", "nats"} <= {dependency["name"] for dependency in ready["dependencies"]}
    assert "penstock_runs_started_total" in metrics


async def test_the_books_balance_after_all_of_this(api: Api, stack: Stack) -> None:
    run = await api.run({"name": "last", "nodes": {"only": steady()}}, {"value": 1})

    assert UUID(run["id"]).version == 7
    assert await broken_invariants(stack.postgres.url()) == {}
