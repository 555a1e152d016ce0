"""Runs that wait for people, on the command line."""

import json
import subprocess
import sys

import pytest

from tests.cli.conftest import Shell

SIGN = """
name: sign-off
nodes:
  ask:
    approval:
      message: "Ship it?"
      assignees: [ada]
      form:
        type: object
        properties: {window: {type: string}, risk: {type: integer}}
        required: [window]
output: {fields: "${{ nodes.ask.output.fields }}"}
"""
EACH = """
name: press-each
nodes:
  press: {agent: press, foreach: [a, b, c], with: {text: "${{ item }}"}, retry: none}
"""
PLAN = """
name: plan
nodes:
  plan: {agent: planner, retry: none}
output: "${{ nodes.plan.output }}"
"""


@pytest.fixture
def asking(penstock: Shell) -> str:
    """The id of a run that asks ada."""
    started = penstock("run", penstock.write("sign.yaml", SIGN), "--by", "eve", "-o", "json")
    return str(started.document["id"])


def test_a_question_is_shown_with_the_commands_that_answer_it(penstock: Shell, asking: str) -> None:
    shown = penstock("runs", "get", asking)

    assert (
        f"ask asks ada: Ship it?: penstock approve {asking} ask | penstock reject {asking} ask" in shown.err
    )
    assert "suspended" in shown.err


def test_an_approval_with_fields_of_the_form_lets_the_run_succeed(penstock: Shell, asking: str) -> None:
    fields = ("--field", "window=7", "--field", "risk=2")

    refused = penstock("approve", asking, "ask", *fields, "--by", "bob")
    approved = penstock("approve", asking, "ask", *fields, "--by", "ada", "--comment", "fine")
    ended = penstock("runs", "get", asking, "--wait", "-o", "json")

    assert refused.code == 1
    assert "'bob' may not answer" in refused.err
    assert approved.code == 0, approved.err
    assert ended.document["output"]["fields"] == {"window": "7", "risk": 2}


def test_a_field_that_the_form_needs_is_missed_by_name(penstock: Shell, asking: str) -> None:
    refused = penstock("approve", asking, "ask", "--field", "windw=7", "--by", "ada")

    assert refused.code == 1
    assert "--field windw: no such input; did you mean 'window'?" in refused.err


def test_a_rejected_run_exits_1(penstock: Shell, asking: str) -> None:
    rejected = penstock("reject", asking, "ask", "--by", "ada", "--comment", "not today", "-o", "json")

    assert rejected.document["state"] == "failed"
    assert penstock("runs", "get", asking, "--wait").code == 1


def test_what_an_agent_asks_is_shown_with_its_details_and_answered_on_the_command_line(
    penstock: Shell,
) -> None:
    run = penstock("run", penstock.write("plan.yaml", PLAN), "-o", "json").document["id"]
    while "suspended" not in (shown := penstock("runs", "get", run)).err:
        pass

    other = penstock("approve", run, "plan", "--question", "other")
    approved = penstock("approve", run, "plan", "--field", "window=7", "--by", "ada")
    again = penstock("approve", run, "plan", "--by", "ada")
    ended = penstock("runs", "get", run, "--wait", "-o", "json")

    assert 'plan shows {"tool": "press"}' in shown.err
    assert f"plan asks anybody: Press it?: penstock approve {run} plan" in shown.err
    assert "does not ask 'other' now: it asks 'press'" in other.err
    assert (approved.code, again.code) == (0, 0)
    assert ended.document["output"] == {"window": "7", "by": "ada"}


def test_a_paused_run_says_what_lets_it_go_on(penstock: Shell, asking: str) -> None:
    paused = penstock("runs", "pause", asking, "--by", "ada", "--reason", "lunch")
    shown = penstock("runs", "get", asking)
    resumed = penstock("runs", "resume", asking, "-o", "json")
    again = penstock("runs", "skip", asking)

    assert "paused" in paused.err
    assert (
        f"paused by ada (lunch): penstock runs resume {asking} | penstock runs cancel {asking}" in shown.err
    )
    assert resumed.document["state"] == "running"
    assert again.code == 1


def test_following_a_run_prints_the_question_once_and_waits_for_the_answer(
    penstock: Shell, asking: str
) -> None:
    command = [sys.executable, "-m", "penstock_cli.main", "runs", "get", asking, "--wait"]
    environment = {"PENSTOCK_URL": penstock.url}
    following = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, text=True)
    assert following.stderr is not None
    said = []
    while not any("penstock approve" in line for line in said):
        said.append(following.stderr.readline())
        assert said[-1], "it ended before it said how to answer"

    penstock("approve", asking, "ask", "--field", "window=now", "--by", "ada")
    said += following.stderr.readlines()

    assert following.wait(30) == 0
    assert sum("penstock approve" in line for line in said) == 1


def test_items_are_counted_and_listed(penstock: Shell) -> None:
    done = penstock("run", penstock.write("each.yaml", EACH), "--wait", "-o", "json")
    run = done.document["id"]

    shown = penstock("runs", "get", run)
    items = penstock("runs", "items", run, "press")
    one = penstock("runs", "items", run, "press", "--limit", "1", "-o", "json")

    assert "3 of 3 succeeded" in shown.err
    assert [line.split()[0] for line in items.out.splitlines()[1:]] == ["press[0]", "press[1]", "press[2]"]
    assert json.loads(one.out)["next"]
