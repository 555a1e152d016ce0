"""Saved workflows and their versions on the command line, and what differs between them."""

from collections.abc import Iterator

import pytest

from tests.cli.conftest import PRESS, Shell

NAME = "press-often"
FIRST = PRESS.replace("press-pages", NAME)
SECOND = FIRST.replace("retry: none", "retry: standard").replace("default: 1", "default: 2")
DRAFT = SECOND + "timeout: 5m\n"


@pytest.fixture
def press(penstock: Shell) -> Iterator[Shell]:
    """The command, with two versions of a workflow saved; the second is the latest, and active."""
    for text in (FIRST, SECOND):
        assert penstock("apply", penstock.write("press.yaml", text)).code == 0
    yield penstock
    penstock("workflows", "activate", NAME)
    penstock("workflows", "resume", NAME)


def latest(press: Shell) -> int:
    """Each test saves both versions again, so numbers grow."""
    return int(press("workflows", "versions", NAME, "-o", "json").document["items"][0]["version"])


def test_workflows_are_listed_with_their_latest_version(press: Shell) -> None:
    listed = press("workflows", "ls")

    line = next(line for line in listed.out.splitlines() if line.startswith(NAME))
    assert f"v{latest(press)}" in line
    assert "yes" in line


def test_versions_are_listed_newest_first_with_their_open_runs(press: Shell) -> None:
    items = press("workflows", "versions", NAME, "-o", "json").document["items"]
    text = press("workflows", "versions", NAME, "--limit", "1")

    assert [item["version"] for item in items] == list(range(len(items), 0, -1))
    assert [item["latest"] for item in items] == [True] + [False] * (len(items) - 1)
    assert {item["runs_open"] for item in items} == {0}
    assert f"v{len(items)} (latest)" in text.out
    assert "--cursor" in text.err


def test_a_diff_shows_each_key_with_what_was_and_what_is(press: Shell) -> None:
    shown = press("diff", NAME)
    number = latest(press)

    assert shown.code == 0
    assert shown.out.splitlines() == [
        f"--- {NAME} v{number - 1}",
        f"+++ {NAME} v{number}",
        "@@ inputs.properties.copies.default",
        "-1",
        "+2",
        "@@ nodes.press.retry",
        '-"none"',
        '+"standard"',
    ]


def test_a_diff_of_chosen_versions_is_one_document_with_json(press: Shell) -> None:
    number = latest(press)

    found = press("diff", NAME, "--from", str(number), "--to", str(number - 1), "-o", "json").document

    assert (found["from"], found["to"], found["nodes"]) == (number, number - 1, ["press"])
    assert [change["after"] for change in found["changes"]] == [1, "none"]


def test_a_file_is_compared_with_what_is_saved(press: Shell) -> None:
    same = press("diff", "press.yaml")
    draft = press("diff", press.write("draft.yaml", DRAFT))
    document = press("diff", "draft.yaml", "--from", "1", "-o", "json").document

    assert (same.code, same.out) == (0, "")
    assert "no difference" in same.err
    assert draft.out.splitlines()[1:] == ["+++ draft.yaml", "@@ timeout", '+"5m"']
    assert (document["from"], document["to"], document["nodes"]) == (1, None, ["press"])


def test_a_large_value_is_cut_for_people(press: Shell) -> None:
    long = DRAFT.replace('"${{ inputs.text }}"', f'"{"x" * 5_000}"')

    shown = press("diff", press.write("long.yaml", long))

    assert "characters)" in shown.out
    assert max(len(line) for line in shown.out.splitlines()) < 200


def test_an_inactive_workflow_starts_nothing_until_it_is_activated(press: Shell) -> None:
    off = press("workflows", "deactivate", NAME)
    refused = press("run", NAME, "-i", "text=x")
    listed = press("workflows", "ls", "--inactive", "-o", "json").document
    on = press("workflows", "activate", NAME, "-o", "json").document
    started = press("run", NAME, "-i", "text=x")

    assert "open ones go on" in off.err
    assert refused.code == 1
    assert "not active" in refused.err
    assert [item["name"] for item in listed["items"]] == [NAME]
    assert on["active"] is True
    assert started.code == 0


def test_a_run_can_be_pinned_to_a_version(press: Shell) -> None:
    pinned = press("run", NAME, "--version", "1", "-i", "text=x", "--wait", "-o", "json").document

    assert (pinned["version"], pinned["output"]["copies"]) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("diff", NAME, "--from", "999"), "there are versions 1 to"),
        (("diff", "press-oftn"), f"did you mean '{NAME}'?"),
        (("diff", "press.yaml", "--to", "1"), "--from"),
        (("diff", "absent.yaml"), "absent.yaml"),
        (("workflows", "versions", "press-oftn"), f"did you mean '{NAME}'?"),
        (("workflows", "deactivate", "press-oftn"), f"did you mean '{NAME}'?"),
        (("run", "press.yaml", "--version", "1", "-i", "text=x"), "name the saved workflow"),
        (("run", NAME, "--version", "999", "-i", "text=x"), "there are versions 1 to"),
    ],
)
def test_what_does_not_exist_is_told_with_what_does(
    press: Shell, arguments: tuple[str, ...], words: str
) -> None:
    done = press(*arguments)

    assert done.code == 1
    assert words in done.err


def test_a_file_that_is_no_workflow_is_told_with_its_lines(press: Shell) -> None:
    done = press("diff", press.write("bad.yaml", "name: bad\nnodes: {a: {agnet: x}}\n"))

    assert done.code == 1
    assert "bad.yaml:2: error: nodes.a.agnet" in done.err


def test_a_workflow_is_paused_and_resumed_with_who_and_why(press: Shell) -> None:
    paused = press("workflows", "pause", NAME, "--by", "ada", "--reason", "the paper is out")
    listed = press("workflows", "ls")
    run = press("run", NAME, "-i", "text=later", "-o", "json").document
    shown = press("workflows", "get", NAME)
    waiting = press("runs", "get", run["id"])
    resumed = press("workflows", "resume", NAME, "--by", "bob", "-o", "json")

    assert f"{NAME}: paused by ada since " in paused.err
    assert paused.err.rstrip().endswith(": the paper is out")
    assert "paused" in next(line for line in listed.out.splitlines() if line.startswith(NAME))
    assert "paused by ada since " in shown.out
    assert run["state"] == "paused"
    assert (
        f"paused by ada (the paper is out): penstock workflows resume {NAME} | " in waiting.out + waiting.err
    )
    assert resumed.document["paused"] is None
    assert [event["by"] for event in resumed.document["events"]][:2] == ["bob", "ada"]
    assert press("runs", "get", run["id"], "--wait").code == 0
