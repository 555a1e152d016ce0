"""What differs between two versions: complete, in the author's terms, and nothing that means nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.definition.diff import Change, ChangeKind, diff

ADDED, REMOVED, CHANGED = ChangeKind.ADDED, ChangeKind.REMOVED, ChangeKind.CHANGED


def document(nodes: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
    return {"name": "demo", **keys, "nodes": nodes or {"scan": {"agent": "scanner"}}}


def of_scan(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    """The changes of one node."""
    return diff(
        document({"scan": {"agent": "scanner", **old}}), document({"scan": {"agent": "scanner", **new}})
    )


def test_the_same_document_has_no_changes() -> None:
    assert diff(document(timeout="1h"), document(timeout="1h")) == []


def test_keys_of_the_workflow_are_added_removed_and_changed() -> None:
    old = document(timeout="1h", description="Scans")
    new = document(timeout="2h", on_failure="continue")

    assert diff(old, new) == [
        Change(CHANGED, None, "timeout", "1h", "2h"),
        Change(ADDED, None, "on_failure", None, "continue"),
        Change(REMOVED, None, "description", "Scans", None),
    ]


def test_nodes_come_and_go_as_a_whole_and_a_rename_is_both() -> None:
    old = document({"scan": {"agent": "scanner"}, "report": {"agent": "reporter"}})
    new = document({"scan": {"agent": "scanner"}, "tell": {"agent": "reporter"}})

    assert diff(old, new) == [
        Change(ADDED, "tell", "", None, {"agent": "reporter"}),
        Change(REMOVED, "report", "", {"agent": "reporter"}, None),
    ]


def test_a_change_deep_in_a_node_names_its_path() -> None:
    old = {"with": {"source": {"url": "a", "depth": 1}}, "retry": "standard"}
    new = {"with": {"source": {"url": "b", "depth": 1}}, "retry": {"attempts": 5}}

    assert of_scan(old, new) == [
        Change(CHANGED, "scan", "with.source.url", "a", "b"),
        Change(CHANGED, "scan", "retry", "standard", {"attempts": 5}),
    ]


def test_a_trigger_that_changed_is_told_by_its_place_and_a_new_one_with_the_list() -> None:
    daily, hourly = ({"schedule": {"cron": cron, "timezone": "UTC"}} for cron in ("0 6 * * *", "0 * * * *"))

    changed = diff(document(triggers=[daily]), document(triggers=[hourly]))
    more = diff(document(triggers=[daily]), document(triggers=[daily, hourly]))

    assert changed == [Change(CHANGED, None, "triggers[0].schedule.cron", "0 6 * * *", "0 * * * *")]
    assert more == [Change(CHANGED, None, "triggers", [daily], [daily, hourly])]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"needs": ["a", "b"]}, {"needs": ["b", "a"]}),
        ({"depends_on": ["llm", "git"]}, {"depends_on": ["git", "llm"]}),
        ({"retry": {"retry_on": ["timeout", "network"]}}, {"retry": {"retry_on": ["network", "timeout"]}}),
        ({"timeout": "1m", "pool": "big"}, {"pool": "big", "timeout": "1m"}),
        ({"with": {"a": {"x": 1, "y": 2}}}, {"with": {"a": {"y": 2, "x": 1}}}),
    ],
)
def test_an_order_that_means_nothing_is_no_change(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert of_scan(old, new) == []


def test_the_order_of_data_is_a_change_whatever_its_key() -> None:
    changes = of_scan({"with": {"needs": ["a", "b"]}}, {"with": {"needs": ["b", "a"]}})

    assert changes == [Change(CHANGED, "scan", "with.needs", ["a", "b"], ["b", "a"])]


@pytest.mark.parametrize(("old", "new"), [(1, True), (1, 1.0), (0, False), (None, {}), ("1", 1), ([], {})])
def test_values_are_compared_as_json(old: Any, new: Any) -> None:
    assert of_scan({"with": {"x": old}}, {"with": {"x": new}}) == [
        Change(CHANGED, "scan", "with.x", old, new)
    ]


def test_null_is_a_value_and_not_the_absence_of_one() -> None:
    assert of_scan({"with": {}}, {"with": {"x": None}}) == [Change(ADDED, "scan", "with.x", None, None)]


def test_the_nodes_that_differ_are_those_whose_own_definition_does() -> None:
    old = document({"a": {"agent": "x"}, "b": {"agent": "x", "needs": ["a"]}, "c": {"agent": "x"}})
    new = document({"a": {"agent": "y"}, "b": {"agent": "x", "needs": ["a"]}, "d": {}}, timeout="5m")

    assert {change.node for change in diff(old, new)} - {None} == {"a", "c", "d"}


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=6,
)


@given(old=values, new=values)
def test_a_diff_is_empty_exactly_when_nothing_differs_and_its_mirror_tells_the_same(
    old: Any, new: Any
) -> None:
    forth, back = of_scan({"with": old}, {"with": new}), of_scan({"with": new}, {"with": old})

    assert (not forth) == (repr(_ordered(old)) == repr(_ordered(new)))
    assert {(c.path, repr(c.before), repr(c.after)) for c in forth} == {
        (c.path, repr(c.after), repr(c.before)) for c in back
    }


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value
