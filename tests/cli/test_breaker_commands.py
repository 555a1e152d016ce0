"""`penstock breakers`: whoever switches one is named in its audit."""

from tests.cli.conftest import Shell


def test_who_switched_a_breaker_is_who_says_so(penstock: Shell) -> None:
    opened = penstock("breakers", "open", "dependency/audited", "--by", "carla", "--reason", "it is down")
    closed = penstock("breakers", "close", "dependency/audited", "--by", "dora")
    shown = penstock("breakers", "get", "dependency/audited", "-o", "json").document

    assert (opened.code, closed.code) == (0, 0)
    assert [change["by"] for change in shown["events"]] == ["dora", "carla"]
