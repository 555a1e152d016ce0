"""What a node's failure means for the rest of the run: stop, continue, and the author's `all_done`."""

from orchestrator.domain.run import RunState
from penstock.contracts.workflow import OnFailure, RunIf
from tests.builders import BROKEN, SHAKY, Story, node, plan, retrying

FINALLY = {"run_if": RunIf.ALL_DONE}


def test_stop_cancels_what_has_not_begun_and_waits_for_what_runs() -> None:
    story = Story(plan(node("a"), node("b"), node("ready"), node("later", "b")))
    story.claim("b")

    story.fail("a", BROKEN)
    assert story.states() == {"a": "failed", "b": "running", "ready": "cancelled", "later": "cancelled"}
    assert story.run.state is RunState.RUNNING
    story.succeed("b")

    assert story.states()["b"] == "succeeded"
    assert story.run.state is RunState.FAILED


def test_the_run_fails_with_the_first_failed_node() -> None:
    story = Story(plan(node("a"), node("b")))
    story.claim("b")

    story.fail("a", BROKEN)
    story.fail("b", SHAKY)

    assert story.run.failure is not None
    assert story.run.failure.message == "node 'a' failed: it broke"
    assert story.run.failure.error_class is BROKEN.error_class
    assert story.kinds()[-1] == "run.failed"


def test_stop_lets_the_finally_nodes_run_once_their_needs_have_ended() -> None:
    story = Story(plan(node("a"), node("b"), node("c", "a"), node("report", "b", "c", **FINALLY)))
    story.claim("b")

    story.fail("a", BROKEN)
    assert story.states()["report"] == "waiting"
    story.succeed("b")
    assert story.states()["report"] == "ready"
    story.succeed("report")

    assert story.run.state is RunState.FAILED


def test_stop_leaves_a_finally_node_that_is_ready_or_backing_off_alone() -> None:
    story = Story(plan(node("a"), node("ready", **FINALLY), node("again", **FINALLY)))
    story.fail("again", SHAKY)

    story.fail("a", BROKEN)

    assert story.states() == {"a": "failed", "ready": "ready", "again": "backoff"}
    story.due("again")
    story.succeed("again")
    story.succeed("ready")
    assert story.run.state is RunState.FAILED


def test_stop_cancels_a_back_off() -> None:
    story = Story(plan(node("a"), node("b")))
    story.fail("b", SHAKY)

    story.fail("a", BROKEN)

    assert story.states()["b"] == "cancelled"
    assert story.run.state is RunState.FAILED


def test_a_run_that_stops_retries_nothing() -> None:
    story = Story(plan(node("a"), node("b", retry=retrying(5))))
    story.claim("b")
    story.fail("a", BROKEN)

    story.fail("b", SHAKY)

    assert story.states()["b"] == "failed"


def test_what_is_given_back_in_a_run_that_stops_is_cancelled() -> None:
    story = Story(plan(node("a"), node("b")))
    story.claim("b")
    story.fail("a", BROKEN)

    story.release("b")

    assert story.states()["b"] == "cancelled"
    assert story.run.state is RunState.FAILED


def test_continue_lets_independent_branches_go_on_and_fails_at_the_end() -> None:
    story = Story(plan(node("a"), node("b"), node("c", "a"), node("d", "b"), on_failure=OnFailure.CONTINUE))

    story.fail("a", BROKEN)
    assert story.states() == {"a": "failed", "b": "ready", "c": "skipped", "d": "waiting"}
    story.succeed("b")
    story.succeed("d")

    assert story.run.state is RunState.FAILED
    assert story.run.failure is not None
    assert story.run.failure.message.startswith("node 'a' failed")


def test_a_skip_after_a_failure_says_whose() -> None:
    story = Story(plan(node("a"), node("b", "a"), on_failure=OnFailure.CONTINUE))

    decision = story.fail("a", BROKEN)

    skipped = next(fact for fact in decision.facts if fact.kind == "node.skipped")
    assert skipped.data == {"reason": "node 'a' failed"}


def test_the_output_is_rendered_at_the_end() -> None:
    story = Story(plan(node("a"), output={"x": "${{ nodes.a.output.x }}", "fixed": 1}))

    story.succeed("a", b'{"x":true}')

    assert story.run.output == b'{"x":true,"fixed":1}'


def test_an_output_that_fails_makes_the_run_fail_with_its_reason() -> None:
    story = Story(plan(node("a"), output="${{ nodes.a.output.typo }}"))

    story.succeed("a")

    assert story.run.state is RunState.FAILED
    assert story.run.failure is not None
    assert story.run.failure.message == "output: ${{ nodes.a.output.typo }}: no such key: typo"
