"""`penstock prune` and `penstock retention`, against a real Penstock."""

import time

import pytest

from tests.cli.conftest import PRESS, Shell

PROJECT = ("--project", "keeping")  # of these tests alone: others count their runs


def test_retention_is_told_and_set(penstock: Shell) -> None:
    assert "30d (the default)" in penstock("retention", "get", "--project", "untouched").out

    assert penstock("retention", "set", "90d", *PROJECT).out == "keeping: 90d\n"

    assert penstock("retention", "get", *PROJECT, "-o", "json").document["retention"] == "90d"


def test_a_wrong_duration_is_refused_with_an_example(penstock: Shell) -> None:
    refused = penstock("prune", "--older-than", "long", *PROJECT)

    assert refused.code == 1
    assert "expected a duration like" in refused.err


def test_prune_tells_what_it_would_delete_and_then_deletes_it(
    penstock: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_PROJECT", "pruning")
    penstock("apply", penstock.write("press.yaml", PRESS))
    run = penstock("run", "press-pages", "-i", "text=x", "--wait", "-o", "json").document["id"]

    # A run is due once its timeline is on the bus, which is noted a moment after its end.
    until = time.monotonic() + 10
    while "runs       1\n" not in (foretold := penstock("prune", "--dry-run", "--older-than", "0s")).out:
        assert time.monotonic() < until, foretold.out
    assert foretold.out.startswith("would be deleted:\n")
    assert penstock("runs", "get", run).code == 0
    done = penstock("prune", "--older-than", "0s", "-o", "json").document

    assert done["runs"] == 1
    assert done["events"] > 1
    assert penstock("runs", "get", run).code == 1


def test_the_list_can_be_of_active_runs_and_the_figures_of_one_workflow(penstock: Shell) -> None:
    penstock("apply", penstock.write("press.yaml", PRESS))
    run = penstock("run", "press-pages", "-i", "text=x", "--wait", "-o", "json").document["id"]

    active = penstock("runs", "ls", "--active", "-o", "json").document["items"]
    figures = penstock("stats", "--workflow", "press-pages").out

    assert run not in {each["id"] for each in active}
    assert "press-pages.press" in figures
    assert "compensated" in figures
