"""Rules, their unit tests and their runbooks belong together, and each of them holds."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from penstock.telemetry import metrics
from tests.house.documents import blocks, names, rows
from tests.stack import ROOT

RULES = ROOT / "deploy/prometheus/rules"
TESTS = ROOT / "deploy/prometheus/tests"
RUNBOOKS = ROOT / "docs/runbooks"
DASHBOARDS = ROOT / "grafana/dashboards"
SECTIONS = ["What it means", "How to look", "What to do", "It is over when"]


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def slug(alert: str) -> str:
    """PenstockNoRunner → no-runner: the name of its page and of its test."""
    return re.sub(r"(?<!^)([A-Z])", r"-\1", alert.removeprefix("Penstock")).lower()


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_rules() -> None:
    promtool("check", "rules", *sorted(RULES.glob("*.yml")))


def test_the_unit_tests_of_the_rules_hold() -> None:
    promtool("test", "rules", *sorted(TESTS.glob("*.yml")))


def test_every_alert_has_one_test_and_one_page() -> None:
    slugs = sorted(slug(rule["alert"]) for rule in alerts())

    assert len(slugs) == len(set(slugs)) >= 12
    assert sorted(path.stem for path in TESTS.glob("*.yml")) == slugs
    assert sorted(path.stem for path in RUNBOOKS.glob("*.md") if path.stem != "README") == slugs


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_fires_resolves_and_stays_quiet(rule: dict[str, Any]) -> None:
    bad, quiet = yaml.safe_load((TESTS / f"{slug(rule['alert'])}.yml").read_text())["tests"]
    fires, resolved = bad["alert_rule_test"]

    assert {each["alertname"] for each in (fires, resolved, *quiet["alert_rule_test"])} == {rule["alert"]}
    assert fires["exp_alerts"]
    assert resolved["exp_alerts"] == []
    assert all(each["exp_alerts"] == [] for each in quiet["alert_rule_test"])


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_with_its_number_and_where_to_read_on(rule: dict[str, Any]) -> None:
    told = rule["annotations"]

    assert rule["labels"]["severity"] in ("page", "ticket")
    assert set(told) == {"summary", "description", "runbook_url"}
    assert re.search(r"\$value|\b0\b", told["description"])
    assert told["runbook_url"] == "{{ $externalLabels.docs }}docs/runbooks/" + slug(rule["alert"]) + ".md"


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_a_runbook_has_its_sections_and_queries(rule: dict[str, Any]) -> None:
    page = (RUNBOOKS / f"{slug(rule['alert'])}.md").read_text()
    listed = {
        names(row[1])[0]: names(row[2])[0] for row in rows((RUNBOOKS / "README.md").read_text(), "page")
    }

    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == SECTIONS
    assert f"`{rule['alert']}`, severity `{rule['labels']['severity']}`" in page
    assert listed[rule["alert"]] == rule["labels"]["severity"]
    assert blocks(page, "promql")


def test_the_queries_of_the_runbooks_can_be_asked(tmp_path: Path) -> None:
    asked = [query for page in RUNBOOKS.glob("*.md") for query in blocks(page.read_text(), "promql")]
    as_rules = [{"record": f"runbook:query:{n}", "expr": query} for n, query in enumerate(asked)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": as_rules}]}))

    promtool("check", "rules", tmp_path / "rules.yml")
    assert len(asked) > len(alerts())


def test_only_metrics_that_exist_are_asked_for() -> None:
    assert metrics.RUNS_STARTED
    declared = {sample for family in REGISTRY.collect() for sample in _samples(family.name, family.type)}
    recorded = set(re.findall(r"record: (\S+)", (RULES / "recording.yml").read_text()))
    texts = [
        path.read_text()
        for folder, kind in ((RULES, "*.yml"), (TESTS, "*.yml"), (DASHBOARDS, "*.json"), (RUNBOOKS, "*.md"))
        for path in folder.glob(kind)
    ]
    asked = {name for text in texts for name in re.findall(r"\bpenstock_[a-z_]+\b", text)}
    asked_rules = {name for text in texts for name in re.findall(r"\bpenstock:[a-z0-9_:]+\b", text)}

    assert asked - declared == set()
    assert asked_rules == recorded, "a rule that nobody asks for costs and tells nothing"


def _samples(name: str, kind: str) -> set[str]:
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "info": ("_info",)}
    return {name + ending for ending in endings.get(kind, ("",))}
