"""`penstock runs fork`: what would be taken over, and the new run."""

import pytest

from tests.cli.conftest import PRESS, Shell

TWO = PRESS.replace("press-pages", "press-twice").replace(
    "output:",
    """  again:
    agent: press
    with: {text: "${{ nodes.press.output.text }} again"}
    retry: none
output:
  twice: "${{ nodes.again.output.text }}"
""",
)
LATER = TWO.replace("default: 1", "default: 2")


@pytest.fixture
def source(penstock: Shell) -> str:
    """A run of two nodes that has succeeded, with the label `team`."""
    file = penstock.write("twice.yaml", TWO)
    done = penstock("run", file, "-i", "text=Ada", "--label", "team=x", "--wait", "-o", "json")
    assert done.code == 0, done.err
    return str(done.document["id"])


def test_a_preview_shows_what_is_reused_and_what_differs_and_starts_nothing(
    penstock: Shell, source: str
) -> None:
    penstock("apply", penstock.write("later.yaml", LATER))
    before = len(penstock("runs", "ls", "--workflow", "press-twice", "-o", "json").document["items"])

    shown = penstock("runs", "fork", source, "--from", "again", "--version", "latest", "--preview")
    told = penstock("runs", "fork", source, "--from", "again", "--preview", "-o", "json")

    assert shown.code == 0
    assert "takes over  press\n" in shown.out
    assert "runs        again\n" in shown.out
    assert "@@ inputs.properties.copies.default" in shown.out
    assert (told.document["reused"], told.document["changed"]) == (["press"], [])
    after = len(penstock("runs", "ls", "--workflow", "press-twice", "-o", "json").document["items"])
    assert after == before


def test_a_fork_shows_what_it_takes_over_and_then_its_run(penstock: Shell, source: str) -> None:
    asked = ("--from", "again", "-i", "copies=3", "--by", "carla", "--wait", "-o", "json")
    done = penstock("runs", "fork", source, *asked)

    run = done.document
    assert done.code == 0
    assert "takes over  press" in done.err
    assert (run["state"], run["source_run"], run["labels"]) == ("succeeded", source, {"team": "x"})
    assert run["started_by"] == "carla"  # who may then be kept from approving it
    assert run["input"]["copies"] == 3
    assert run["input"]["text"] == "Ada"
    assert run["output"]["twice"] == "Ada again"
    shown = penstock("runs", "get", run["id"])
    assert f"a fork of run {source}" in shown.out + shown.err
    assert f"taken over from run {source}" in shown.out + shown.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--from", "agian"], "did you mean 'again'?"),
        (["--from", "again", "--version", "newest"], "expected a number or 'latest'"),
        (["--from", "again", "--version", "99"], "press-twice/99"),
        (["--from", "again", "-i", "txet=x"], "did you mean 'text'?"),
    ],
)
def test_what_cannot_be_forked_is_told(penstock: Shell, source: str, options: list[str], said: str) -> None:
    refused = penstock("runs", "fork", source, *options)

    assert refused.code == 1
    assert said in refused.err
