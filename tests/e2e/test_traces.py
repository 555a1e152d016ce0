"""Traces as a collector gets them: one tree for a run, from the request through every service to the agent."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.e2e.agents import write_agent
from tests.e2e.conftest import Api, Json, actor
from tests.otlp import CollectedSpan, Collector
from tests.stack import ROOT, Stack

CLIENT_TRACE, CLIENT_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = f"00-{CLIENT_TRACE}-{CLIENT_SPAN}-03"  # random and sampled: never only "01"
UNSAMPLED = f"00-{CLIENT_TRACE[::-1]}-{CLIENT_SPAN}-02"

_TELLS = """
import json, os, sys
from penstock.agents import agent, context

@agent
def tells(value: int = 0) -> dict:
    context.checkpoint.save(value)
    return {"environment": os.environ.get("TRACEPARENT"), "context": context.traceparent, "value": value}

if __name__ == "__main__":
    tells.main()
"""

_KEEPS = """
from pathlib import Path
from penstock.agents import agent, context

@agent
def keeps() -> dict:
    page = Path(context.out_folder) / "page.txt"
    page.write_text("written")
    return {"page": str(page)}

if __name__ == "__main__":
    keeps.main()
"""


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture(scope="module")
def traced_stack(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything that begins here is traced."""
    folder = tmp_path_factory.mktemp("traced")
    written = folder / "written"
    for reuse in ("never", "fork", "process"):
        write_agent(written, f"tells-{reuse}", _TELLS, reuse=reuse)
    write_agent(written, "keeps", _KEEPS)
    agents = (written, ROOT / "tests/agents_for_tests")
    extra = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_TRACES_SAMPLER_ARG": "1",
        "OTEL_BSP_SCHEDULE_DELAY": "20",
    }
    with Stack(folder=folder, agents=agents, slots=8, extra=extra) as running:
        yield running


@pytest.fixture
async def traced(traced_stack: Stack) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=traced_stack.url, timeout=90) as client:
        yield Api(client)


@dataclass
class Tree:
    """The spans of one trace."""

    spans: list[CollectedSpan]

    def one(self, name: str, **attributes: Json) -> CollectedSpan:
        (found,) = self.all(name, **attributes)
        return found

    def all(self, name: str, **attributes: Json) -> list[CollectedSpan]:
        wanted = {f"penstock.{key}": value for key, value in attributes.items()}
        found = [s for s in self.spans if s.name == name and wanted.items() <= s.attributes.items()]
        assert found, f"no {name} {attributes} among {sorted(span.name for span in self.spans)}"
        return sorted(found, key=lambda span: span.start)

    def below(self, span: CollectedSpan) -> list[str]:
        children = sorted((s for s in self.spans if s.parent == span.id), key=lambda s: (s.start, s.end))
        return [child.name for child in children]


async def tree_of(collector: Collector, trace: str, *ends: str) -> Tree:
    """The trace, once spans of these names are there: each is sent as soon as it has ended."""

    def complete() -> bool:
        names = Counter(span.name for span in collector.spans if span.trace == trace)
        return all(names[name] >= count for name, count in Counter(ends).items())

    await collector.until(complete)
    return Tree(collector.of_trace(trace))


async def start_traced(api: Api, workflow: str, traceparent: str, **fields: Json) -> str:
    body = {"workflow": workflow, "input": {}, **fields}
    answer = await api.client.post("/api/v1/runs", json=body, headers={"traceparent": traceparent})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_a_run_is_one_tree_below_the_clients_span(traced: Api, collector: Collector) -> None:
    await traced.define({"name": "inner", "nodes": {"deep": actor(value=1)}})
    quick = {"attempts": 2, "delay": "10ms", "max_delay": "10ms", "jitter": 0, "retry_on": ["error"]}
    await traced.define(
        {
            "name": "everything",
            "nodes": {
                "shaky": {**actor(value="x", failures=1), "retry": quick},
                "ask": {"approval": {"message": "go on?"}, "needs": ["shaky"]},
                "sub": {"workflow": "inner", "needs": ["ask"]},
                "each": {
                    "foreach": "${{ [1, 2, 3] }}",
                    "needs": ["ask"],
                    **actor(value="${{ item }}"),
                },
            },
        }
    )

    run = await start_traced(traced, "everything", SAMPLED)
    await traced.until_node(run, "ask", "suspended")
    await traced.post(f"/runs/{run}/nodes/ask/approve", by="ada")
    ended = await traced.ended(run)

    assert (ended["state"], ended["trace_id"]) == ("succeeded", CLIENT_TRACE)
    tree = await tree_of(collector, CLIENT_TRACE, "run everything", "run inner", *["agent actor"] * 6)
    server = tree.one("POST /api/v1/runs")
    whole = tree.one("run everything")
    assert (server.parent, server.kind, whole.parent) == (CLIENT_SPAN, "SERVER", server.id)
    assert tree.below(whole) == ["node shaky", "node ask", "node each", "node sub"] or tree.below(whole) == [
        "node shaky",
        "node ask",
        "node sub",
        "node each",
    ]
    _a_retry_is_two_attempts_with_a_wait_between(tree)
    _what_waits_for_a_person_is_suspended(tree)
    _a_sub_workflow_is_below_the_attempt_that_started_it(tree)
    _items_are_below_their_node(tree)
    _everything_lies_within_what_is_above_it(tree)


def _a_retry_is_two_attempts_with_a_wait_between(tree: Tree) -> None:
    node = tree.one("node shaky")
    first, second = (tree.one(f"attempt {n}", node="shaky") for n in (1, 2))
    assert tree.below(node) == ["queue default", "attempt 1", "backoff", "queue default", "attempt 2"]
    assert tree.below(second) == ["agent actor"]
    assert (second.links, first.links) == (((first.trace, first.id),), ())
    assert first.error is not None
    assert "can't be done in attempt 1" in first.error
    assert (node.error, node["attempts"]) == (None, 2)
    assert {span.kind for span in tree.all("queue default")} == {"CONSUMER"}


def _what_waits_for_a_person_is_suspended(tree: Tree) -> None:
    node = tree.one("node ask")
    assert tree.below(node) == ["suspended"]
    assert tree.one("suspended")["waits_for"] == "approval"


def _a_sub_workflow_is_below_the_attempt_that_started_it(tree: Tree) -> None:
    node, child = tree.one("node sub"), tree.one("run inner")
    (attempt,) = (span for span in tree.spans if span.parent == node.id)
    assert (attempt.name, child.parent) == ("attempt 1", attempt.id)
    assert node["child_run"] == child["run"]
    assert tree.below(child) == ["node deep"]


def _items_are_below_their_node(tree: Tree) -> None:
    node, items = tree.one("node each"), tree.all("item each")
    assert sorted(item["item"] for item in items) == [0, 1, 2]
    assert {item.parent for item in items} == {node.id}
    assert all(tree.below(item) == ["queue default", "attempt 1"] for item in items)


def _everything_lies_within_what_is_above_it(tree: Tree) -> None:
    """The request is answered before its run has ended, and a runner's clock is its own."""
    by_id = {span.id: span for span in tree.spans}
    for span in tree.spans:
        above = by_id.get(span.parent)
        assert span.start <= span.end
        if above is not None and above.kind != "SERVER" and span.service == above.service:
            assert above.start <= span.start, span.name
            assert span.end <= above.end, span.name
    assert [s.name for s in tree.spans if s.parent not in by_id] == ["POST /api/v1/runs"]
    assert len(by_id) == len(tree.spans), "a span was told of twice"


@pytest.mark.parametrize("reuse", ["never", "fork", "process"])
async def test_the_agent_may_add_to_the_trace(traced: Api, collector: Collector, reuse: str) -> None:
    name = f"telling-{reuse}"
    nodes = {"tell": {"agent": f"tells-{reuse}"}}
    document = {"name": name, "nodes": nodes, "output": "${{ nodes.tell.output }}"}

    run = await traced.run(document)

    await collector.until(lambda: any(span.name == f"run {name}" for span in collector.spans))
    given = run["output"]["environment"]
    _, trace, span, _ = given.split("-")
    tree = await tree_of(collector, trace, f"run {name}", f"agent tells-{reuse}")
    agent = tree.one(f"agent tells-{reuse}", reuse=reuse, tier="bwrap")
    assert run["output"]["context"] == given
    assert agent.id == span
    assert agent.parent == tree.one("attempt 1").id
    assert tree.one("POST /api/v1/runs").parent == ""
    assert tree.below(agent) == [*(["sandbox start"] if reuse == "never" else []), "PUT /checkpoint"]


async def test_what_a_runner_stores_for_an_agent_is_below_the_attempt(
    traced: Api, collector: Collector
) -> None:
    await traced.define({"name": "keeping", "nodes": {"one": {"agent": "keeps"}}})
    trace = "c" * 32

    run = await start_traced(traced, "keeping", f"00-{trace}-{CLIENT_SPAN}-01")
    await traced.ended(run)

    tree = await tree_of(collector, trace, "run keeping", "agent keeps", "POST /api/v1/artifacts")
    assert tree.one("POST /api/v1/artifacts").parent == tree.one("attempt 1").id


async def test_a_trace_that_nobody_samples_has_no_spans(traced: Api, collector: Collector) -> None:
    await traced.define(
        {
            "name": "unsampled",
            "nodes": {"tell": {"agent": "tells-process"}},
            "output": "${{ nodes.tell.output }}",
        }
    )
    await traced.define({"name": "sampled-after", "nodes": {"tell": {"agent": "tells-process"}}})

    run = await traced.ended(await start_traced(traced, "unsampled", UNSAMPLED))
    after = await traced.ended(await traced.start("sampled-after"))

    await collector.until(lambda: len(collector.of_run(after["id"])) >= 5)
    assert (collector.of_run(run["id"]), run["trace_id"]) == ([], None)
    assert collector.of_trace(CLIENT_TRACE[::-1]) == []
    assert run["output"]["environment"] == UNSAMPLED  # so that the agent does not begin a trace of its own


async def test_a_retried_run_goes_on_in_a_span_that_links_to_the_former(
    traced: Api, collector: Collector
) -> None:
    await traced.define(
        {"name": "mended", "nodes": {"a": actor(value=1), "b": actor(failures=1, needs=["a"])}}
    )
    run = await traced.start("mended")
    await traced.until_run(run, "failed")

    await traced.post(f"/runs/{run}/retry", by="ada")
    await traced.until_run(run, "succeeded")

    await collector.until(lambda: len([s for s in collector.of_run(run) if s.name == "run mended"]) == 2)
    tree = Tree(collector.of_run(run))
    failed, mended = tree.all("run mended")
    assert (failed["outcome"], mended["outcome"]) == ("failed", "succeeded")
    assert failed.error is not None
    assert mended.links == ((failed.trace, failed.id),)
    assert (tree.below(failed), tree.below(mended)) == (["node a", "node b"], ["node b"])


async def test_a_fork_is_a_trace_of_its_own_and_links_to_its_source(
    traced: Api, collector: Collector
) -> None:
    await traced.define({"name": "forked", "nodes": {"a": actor(value=1), "b": actor(value=2, needs=["a"])}})
    source = await traced.ended(await traced.start("forked"))

    fork = await traced.post(f"/runs/{source['id']}/fork", **{"from": "b"})
    await traced.ended(fork["id"])

    await collector.until(lambda: any(s.name == "run forked" for s in collector.of_run(fork["id"])))
    of_source = Tree(collector.of_run(source["id"])).one("run forked")
    of_fork = Tree(collector.of_run(fork["id"])).one("run forked")
    assert of_fork.links == ((of_source.trace, of_source.id),)
    assert of_fork.trace != of_source.trace
