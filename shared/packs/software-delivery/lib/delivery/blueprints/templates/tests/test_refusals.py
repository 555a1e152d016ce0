"""What the contract refuses is refused, with the reason, and changes nothing."""

import pytest
from client import Client
from contract import Collection, Covers, Operation, collections
from samples import broken, fitting, sample
from test_resources import having, make

COLLECTIONS = collections()
BROKEN = [
    pytest.param(each, operation, name, body, id=f"{operation}-{name}-{rule}")
    for each in COLLECTIONS
    for operation in (each.create, each.update)
    if operation
    for rule, name, body in broken(operation)
]
OF_ONE = [
    operation
    for each in COLLECTIONS
    for operation in (each.read, each.update, each.delete, *each.moves)
    if operation
]


@pytest.mark.parametrize(("things", "operation", "field", "body"), BROKEN)
def test_a_wrong_field_is_refused_by_name(
    client: Client, covers: Covers, things: Collection, operation: Operation, field: str, body: dict
) -> None:
    covers(operation)
    kept = None if operation is things.create else make(client, things, fitting(things, operation))

    status, answer = client.call(operation, id=kept["id"] if kept else "", body=body)

    assert status == 422, answer
    assert field in answer["errors"]
    assert operation.misfits(status, answer) == []
    if things.list:
        assert client.call(things.list)[1]["items"] == ([kept] if kept else [])


@pytest.mark.parametrize(
    ("things", "field"),
    [
        pytest.param(each, name, id=f"{each.create}-{name}")
        for each in COLLECTIONS
        for name in each.kept.get("x-unique", [])
    ],
)
def test_what_is_unique_cannot_be_there_twice(
    client: Client, covers: Covers, things: Collection, field: str
) -> None:
    covers(things.create)
    first = make(client, things, sample(things.create))

    status, answer = client.call(things.create, body=sample(things.create, 2, **{field: first[field]}))

    assert status == 409
    assert field in answer["errors"]


@pytest.mark.parametrize("operation", OF_ONE, ids=str)
def test_what_is_not_there_is_not_found(client: Client, covers: Covers, operation: Operation) -> None:
    covers(operation)

    status, answer = client.call(operation, id="nobody", body={})

    assert status == 404
    assert operation.misfits(status, answer) == []


@pytest.mark.parametrize(
    ("things", "operation", "field", "value"),
    [
        pytest.param(each, operation, guard["field"], guard["is"], id=f"{operation}-{guard['is']}")
        for each in COLLECTIONS
        for operation in (each.update, each.delete)
        if operation
        for guard in operation.guards
    ],
)
def test_a_guard_refuses_and_changes_nothing(
    client: Client, covers: Covers, things: Collection, operation: Operation, field: str, value: str
) -> None:
    covers(operation)
    made = make(client, things, sample(things.create, **{field: value}))

    status, _ = client.call(operation, id=made["id"], body={})

    assert status == 409
    assert things.read is None or client.call(things.read, id=made["id"]) == (200, made)


@pytest.mark.parametrize(
    ("things", "move"),
    [pytest.param(each, move, id=str(move)) for each in COLLECTIONS for move in each.moves],
)
def test_a_transition_is_refused_from_elsewhere(
    client: Client, covers: Covers, things: Collection, move: Operation
) -> None:
    covers(move)
    change = move.about["x-transition"]
    made = make(client, things, sample(things.create, **{change["field"]: change["to"]}))

    status, answer = client.call(move, id=made["id"])

    assert status == 409, answer
    assert move.misfits(status, answer) == []


@pytest.mark.parametrize("things", having("list"), ids=lambda each: str(each.list))
def test_a_filter_that_is_none_is_refused(client: Client, covers: Covers, things: Collection) -> None:
    covers(things.list)

    status, answer = client.call(things.list, query={"no_such_field": "1"})

    assert status == 422
    assert things.list.misfits(status, answer) == []
