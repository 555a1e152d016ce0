"""What can be done to each kind of thing is done as the contract says."""

import pytest
from client import Client
from contract import Collection, Covers, Operation, collections, misfits
from samples import fitting, sample, value

COLLECTIONS = collections()


def having(name: str) -> list[Collection]:
    return [each for each in COLLECTIONS if getattr(each, name)]


def make(client: Client, collection: Collection, body: dict) -> dict:
    status, made = client.call(collection.create, body=body)
    assert status == 201, made
    return made


@pytest.mark.parametrize("things", COLLECTIONS, ids=str)
def test_what_is_created_has_what_was_given(client: Client, covers: Covers, things: Collection) -> None:
    covers(things.create)
    given = sample(things.create)

    made = make(client, things, given)

    assert [*misfits(made, things.kept, things.create.document)] == []
    assert made.items() >= given.items()


@pytest.mark.parametrize("things", COLLECTIONS, ids=str)
def test_fields_that_are_not_required_may_be_left_out(
    client: Client, covers: Covers, things: Collection
) -> None:
    covers(things.create)
    needed = (things.create.body or {}).get("required", [])

    made = make(
        client, things, {name: each for name, each in sample(things.create).items() if name in needed}
    )

    assert [*misfits(made, things.kept, things.create.document)] == []


@pytest.mark.parametrize("things", having("read"), ids=lambda each: str(each.read))
def test_what_was_created_can_be_read(client: Client, covers: Covers, things: Collection) -> None:
    covers(things.read)
    made = make(client, things, sample(things.create))

    status, answer = client.call(things.read, id=made["id"])

    assert (status, answer) == (200, made)
    assert things.read.misfits(status, answer) == []


@pytest.mark.parametrize("things", having("list"), ids=lambda each: str(each.list))
def test_a_list_has_all_that_were_created_in_order(
    client: Client, covers: Covers, things: Collection
) -> None:
    covers(things.list)
    made = [make(client, things, sample(things.create, number)) for number in (1, 2, 3)]

    status, answer = client.call(things.list)

    assert (status, answer["items"]) == (200, made)
    assert things.list.misfits(status, answer) == []


@pytest.mark.parametrize(
    ("things", "name"),
    [
        pytest.param(each, one["name"], id=f"{each.list}-{one['name']}")
        for each in having("list")
        for one in each.list.filters
    ],
)
def test_a_filter_leaves_what_has_its_value(
    client: Client, covers: Covers, things: Collection, name: str
) -> None:
    covers(things.list)
    made = [make(client, things, sample(things.create, number)) for number in (1, 2, 3)]
    wanted = made[0][name]

    status, answer = client.call(
        things.list, query={name: str(wanted).lower() if wanted in (True, False) else wanted}
    )

    assert status == 200
    assert answer["items"] == [each for each in made if each[name] == wanted]


@pytest.mark.parametrize("things", having("update"), ids=lambda each: str(each.update))
def test_a_change_changes_what_it_names_and_nothing_else(
    client: Client, covers: Covers, things: Collection
) -> None:
    covers(things.update)
    schemas = things.update.body["properties"]
    made = make(client, things, fitting(things, things.update))
    guarded = {each["field"] for each in things.update.guards}

    for name in [each for each in schemas if each not in guarded]:
        changed = value(schemas[name], name, 2)
        status, answer = client.call(things.update, id=made["id"], body={name: changed})
        made = {**made, name: changed}
        assert (status, answer) == (200, made)
        assert things.update.misfits(status, answer) == []


@pytest.mark.parametrize("things", having("delete"), ids=lambda each: str(each.delete))
def test_what_was_deleted_is_gone(client: Client, covers: Covers, things: Collection) -> None:
    covers(things.delete)
    made = make(client, things, fitting(things, things.delete))

    status, answer = client.call(things.delete, id=made["id"])

    assert (status, answer) == (204, None)
    assert client.call(things.delete, id=made["id"])[0] == 404
    assert things.read is None or client.call(things.read, id=made["id"])[0] == 404


@pytest.mark.parametrize(
    ("things", "move"),
    [pytest.param(each, move, id=str(move)) for each in COLLECTIONS for move in each.moves],
)
def test_a_transition_moves_what_is_in_its_first_state(
    client: Client, covers: Covers, things: Collection, move: Operation
) -> None:
    covers(move)
    change = move.about["x-transition"]
    made = make(client, things, sample(things.create, **{change["field"]: change["from"]}))

    status, answer = client.call(move, id=made["id"])

    assert (status, answer) == (200, {**made, change["field"]: change["to"]})
    assert move.misfits(status, answer) == []
