"""`penstock schedules`, and the next times that `penstock validate` prints."""

from tests.cli.conftest import PRESS, Shell

NIGHTLY = f"""{PRESS}
triggers:
  - schedule: {{cron: "30 2 * * *", timezone: Europe/Zurich, name: nightly, input: {{text: good night}}}}
"""


def test_validate_prints_the_next_ten_times(penstock: Shell) -> None:
    done = penstock("validate", penstock.write("nightly.yaml", NIGHTLY))
    document = penstock("validate", "nightly.yaml", "-o", "json").document

    head, *times = done.out.splitlines()
    assert done.code == 0
    assert head == "nightly: 30 2 * * * Europe/Zurich"
    assert len(times) == 10
    assert all(time.endswith(("+0100", "+0200")) for time in times)
    assert len(document[0]["schedules"][0]["next"]) == 10


def test_a_schedule_can_be_seen_paused_resumed_and_run(penstock: Shell) -> None:
    assert penstock("apply", penstock.write("nightly.yaml", NIGHTLY)).code == 0
    which = ("press-pages", "nightly")

    listed = penstock("schedules", "ls", "--workflow", "press-pages").out
    paused = penstock("schedules", "pause", *which, "--by", "carla")
    run = penstock("schedules", "run", *which, "--wait", "-o", "json").document
    resumed = penstock("schedules", "resume", *which, "-o", "json").document
    shown = penstock("schedules", "get", *which).out

    assert "press-pages nightly" in listed
    assert "30 2 * * *" in listed
    assert "paused by carla" in paused.err
    assert (run["state"], run["output"]["text"]) == ("succeeded", "good night")
    assert resumed["paused"] is False
    assert run["id"] in shown
    assert "Europe/Zurich" in shown


def test_an_unknown_schedule_is_named_with_the_nearest(penstock: Shell) -> None:
    assert penstock("apply", penstock.write("nightly.yaml", NIGHTLY)).code == 0

    done = penstock("schedules", "get", "press-pages", "nigthly")

    assert done.code == 1
    assert "did you mean 'nightly'" in done.err
