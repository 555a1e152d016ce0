"""A test of the shop."""

PASSWORD = "only-for-tests-1"


def test_monthly():
    from shop.report import monthly

    assert monthly([{"total": 2}]) == 2
