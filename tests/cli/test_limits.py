"""`penstock limits`, against a real Penstock."""

from collections.abc import Iterator

import pytest

from tests.cli.conftest import Shell


@pytest.fixture
def limited(penstock: Shell) -> Iterator[Shell]:
    assert penstock("limits", "set", "project", "loud", "20").code == 0
    yield penstock
    penstock("limits", "unset", "project", "loud")


def test_a_limit_is_listed_with_what_runs_under_it(limited: Shell) -> None:
    (limit,) = limited("limits", "ls", "-o", "json").document["items"]
    table = limited("limits", "ls").out

    assert (limit["scope"], limit["name"], limit["maximum"], limit["running"]) == ("project", "loud", 20, 0)
    assert table.splitlines()[1].split()[:4] == ["project", "loud", "20", "0"]


def test_a_limit_can_be_changed_and_unset(limited: Shell) -> None:
    changed = limited("limits", "set", "project", "loud", "5", "-o", "json")
    unset = limited("limits", "unset", "project", "loud")
    again = limited("limits", "unset", "project", "loud")

    assert changed.document["maximum"] == 5
    assert (unset.code, unset.out) == (0, "")
    assert (again.code, "no limit of project named 'loud'" in again.err) == (1, True)
