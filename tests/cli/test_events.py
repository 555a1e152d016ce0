"""`penstock events`: sent once, listed, and refused with a reason."""

import time

from tests.cli.conftest import PRESS, Shell


def test_an_event_is_sent_once_and_listed(penstock: Shell) -> None:
    type_ = f"shop.order.paid.{time.time_ns()}"
    penstock.write("order.json", '{"order": 17}')
    order = ("events", "send", type_, "--source", "/shop", "--id", "4711", "--data", "@order.json")

    first = penstock(*order, "--subject", "order 17")
    again = penstock(*order, "-o", "json")
    (listed,) = penstock("events", "ls", "--type", type_, "-o", "json").document["items"]
    shown = penstock("events", "ls", "--type", type_)

    assert (first.code, first.out.strip()) == (0, "4711")
    assert "accepted" in first.err
    assert again.document == {"id": "4711", "accepted": 0, "repeated": 1}
    assert (listed["source"], listed["subject"], listed["data"]) == ("/shop", "order 17", {"order": 17})
    assert '{"order": 17}' in shown.out


def test_without_an_id_each_event_is_a_new_one(penstock: Shell) -> None:
    type_ = f"tick.{time.time_ns()}"

    ids = {penstock("events", "send", type_, "-o", "json").document["id"] for _ in range(2)}

    items = penstock("events", "ls", "--type", type_, "-o", "json").document["items"]
    assert {event["id"] for event in items} == ids
    assert len(ids) == 2


def test_data_that_is_no_json_or_no_file_is_refused_before_anything_is_sent(penstock: Shell) -> None:
    words = penstock("events", "send", "tick", "--data", "hello")
    file = penstock("events", "send", "tick", "--data", "@nowhere.json")

    assert (words.code, file.code) == (1, 1)
    assert "not JSON" in words.err
    assert "quotes of its own" in words.err
    assert "nowhere.json" in file.err


def test_what_the_orchestrator_finds_wrong_is_told_with_its_attribute(penstock: Shell) -> None:
    refused = penstock("events", "send", "tick", "--source", "not a uri")

    assert refused.code == 1
    assert "source" in refused.err
    assert "URI reference" in refused.err


def test_an_event_tells_which_run_it_started(penstock: Shell) -> None:
    type_ = f"shop.page.wanted.{time.time_ns()}"
    triggers = f"triggers:\n  - event: {{type: {type_}, input: {{text: '${{{{ event.data }}}}'}}}}\n"
    name = f"press-{time.time_ns()}"
    definition = penstock.write("triggered.yaml", PRESS.replace("press-pages", name) + triggers)
    assert penstock("apply", definition).code == 0

    penstock("events", "send", type_, "--data", '"hello"')
    penstock("events", "send", type_, "--data", "17", "--id", "wrong")

    deadline = time.monotonic() + 10
    outcomes = []
    while len(outcomes) < 2 and time.monotonic() < deadline:
        items = penstock("events", "ls", "--type", type_, "-o", "json").document["items"]
        outcomes = [each for item in items for each in item["reactions"] if each["outcome"] != "due"]
    shown = penstock("events", "ls", "--type", type_)
    refused, started = outcomes
    assert (refused["outcome"], started["outcome"]) == ("refused", "started")
    assert f"{name} started {started['run']}" in shown.out
    assert f"{name} refused: " in shown.out
    assert f"starts for an event: {type_}" in penstock("workflows", "get", name).out
