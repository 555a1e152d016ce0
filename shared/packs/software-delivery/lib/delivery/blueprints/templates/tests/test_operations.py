"""The events, the health, and that nothing is lost when the software starts again."""

from pathlib import Path

import pytest
from client import Client
from contract import Collection, Covers, collections, load, operations
from samples import sample
from test_resources import having, make

BY_NAME = {each.name: each for name in ("events", "operations") for each in operations(name)}
EVENTS, HEALTH, VERSION = (BY_NAME.get(name) for name in ("listChangeEvents", "getHealth", "getVersion"))


@pytest.mark.parametrize("things", collections(), ids=str)
def test_what_happens_is_told_in_order(client: Client, covers: Covers, things: Collection) -> None:
    covers(EVENTS)
    made = [make(client, things, sample(things.create, number)) for number in (1, 2)]

    status, answer = client.call(EVENTS)

    assert EVENTS.misfits(status, answer) == []
    assert [each["subject"] for each in answer["items"]] == [each["id"] for each in made]
    assert [each["type"].partition(".")[2] for each in answer["items"]] == ["created", "created"]


def test_events_can_be_followed_from_a_number_on(client: Client, covers: Covers) -> None:
    covers(EVENTS)
    for things in collections():
        make(client, things, sample(things.create))
    every = client.call(EVENTS)[1]["items"]

    assert client.call(EVENTS, query={"after": every[0]["seq"]})[1]["items"] == every[1:]
    assert client.call(EVENTS, query={"after": "x"})[0] == 422


def test_what_is_refused_is_no_event(client: Client, covers: Covers) -> None:
    covers(EVENTS)
    for things in collections():
        client.call(things.create, body={"no_such_field": 1})

    assert client.call(EVENTS)[1]["items"] == []


def test_the_health_counts_what_there_is(client: Client, covers: Covers) -> None:
    covers(HEALTH)
    for things in collections():
        make(client, things, sample(things.create))

    status, answer = client.call(HEALTH)

    assert HEALTH.misfits(status, answer) == []
    assert {*answer["counts"].values()} == {1}


@pytest.mark.skipif(VERSION is None, reason="no such operation in the contract")
def test_the_version_is_that_of_the_contract(client: Client, covers: Covers) -> None:
    covers(VERSION)

    status, answer = client.call(VERSION)

    assert VERSION.misfits(status, answer) == []
    assert answer["version"] == load("operations")["info"]["version"]


@pytest.mark.parametrize("things", having("read"), ids=lambda each: str(each.read))
def test_what_was_kept_is_there_after_a_restart(tmp_path: Path, covers: Covers, things: Collection) -> None:
    covers("storage")
    first = Client(str(tmp_path / "kept.db"))
    made = make(first, things, sample(things.create))
    first.close()

    second = Client(str(tmp_path / "kept.db"))

    assert second.call(things.read, id=made["id"]) == (200, made)
    second.close()
