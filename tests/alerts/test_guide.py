"""The notifier's guide shows configurations that are right, and tells every key and word there is."""

import subprocess
from pathlib import Path

import yaml

from notifier.alerts.action import Outcome
from notifier.alerts.source import Verb
from notifier.alerts.sources import SOURCE_KEYS, read_sources
from tests.alerts.builders import TOKEN
from tests.house.documents import ROOT, blocks, names, rows

GUIDE = (ROOT / "docs/guides/notifier.md").read_text()
OURS, ALERTMANAGERS = blocks(GUIDE, "yaml")


def test_the_configurations_are_right(tmp_path: Path) -> None:
    (tmp_path / "alertmanager.token").write_text(TOKEN)
    (tmp_path / "alertmanager.yml").write_text(ALERTMANAGERS)

    (source,) = read_sources(yaml.safe_load(OURS)["alertmanagers"], folder=tmp_path)
    said = subprocess.run(
        ["amtool", "check-config", tmp_path / "alertmanager.yml"], capture_output=True, check=False
    )

    assert [rule.verb for rule in source.rules] == [Verb.OPEN_BREAKER, Verb.PAUSE_WORKFLOW]
    assert said.returncode == 0, said.stderr


def test_every_key_and_word_is_told() -> None:
    assert {names(row[0])[0] for row in rows(GUIDE, "key of a source")} == set(SOURCE_KEYS)
    assert {names(row[0])[0] for row in rows(GUIDE, "action")} == set(Verb)
    assert {names(row[0])[0] for row in rows(GUIDE, "outcome")} == {"waiting", *Outcome}
