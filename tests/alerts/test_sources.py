"""The section `alertmanagers`: read strictly, all problems at once, each with its place; and what rules mean."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from notifier.alerts.source import Hold, Rule, Verb, source_of_token
from notifier.alerts.sources import read_sources
from notifier.main import configured
from notifier.settings import Settings
from penstock.contracts.errors import InvalidInput
from tests.alerts.builders import CONFIG, OTHER_TOKEN, TOKEN

GOOD: dict[str, Any] = {"name": "one", "token": TOKEN}


def problems(*sources: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as refused:
        read_sources(list(sources), folder=Path())
    return [(problem.path, problem.message) for problem in refused.value.problems]


def test_a_source_is_read_with_its_rules() -> None:
    production, staging = read_sources(CONFIG["alertmanagers"], folder=Path())

    assert (staging.name, staging.project, staging.rules) == ("staging", "default", ())
    assert production.rules[1] == Rule(
        match={"alertname": "LlmSlow"},
        verb=Verb.OPEN_BREAKER,
        target="llm-provider",
        hold=Hold(firing=timedelta(seconds=30), resolved=timedelta(seconds=60)),
    )
    assert source_of_token((production, staging), OTHER_TOKEN) is staging
    assert source_of_token((production, staging), "neither") is None


def test_a_token_may_be_in_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")

    (source,) = read_sources([{"name": "one", "token_file": "token"}], folder=tmp_path)

    assert source_of_token((source,), TOKEN) is source


def test_a_source_may_set_the_hold_of_all_its_rules() -> None:
    rule = {"match": {"a": "b"}, "resume_workflow": "import"}
    own = rule | {"hold": {"resolved": "0s"}}

    (source,) = read_sources([{**GOOD, "hold": {"firing": "5s"}, "actions": [rule, own]}], folder=Path())

    assert [rule.hold for rule in source.rules] == [
        Hold(firing=timedelta(seconds=5)),
        Hold(firing=timedelta(seconds=5), resolved=timedelta(0)),
    ]


def test_a_rule_meets_an_alert_that_has_all_its_labels() -> None:
    rule = Rule(match={"a": "1", "b": "2"}, verb=Verb.OPEN_BREAKER, target="x")

    assert rule.meets({"a": "1", "b": "2", "c": "3"})
    assert not rule.meets({"a": "1", "b": "3"})
    assert not rule.meets({"a": "1"})


@pytest.mark.parametrize(
    ("source", "path", "message"),
    [
        ({"token": TOKEN}, "alertmanagers[0]", "'name' is missing"),
        ({**GOOD, "name": "One"}, "alertmanagers[0].name", "expected a name"),
        ({**GOOD, "projct": "x"}, "alertmanagers[0].projct", "did you mean 'project'?"),
        ({"name": "one"}, "alertmanagers[0]", "'token_file' (or 'token') is missing"),
        ({**GOOD, "token_file": "x"}, "alertmanagers[0]", "give one of token and token_file"),
        ({"name": "one", "token_file": "none"}, "alertmanagers[0].token_file", "No such file"),
        ({**GOOD, "token": "short"}, "alertmanagers[0].token", "at least 16"),
        ({**GOOD, "token": "sixteen characters"}, "alertmanagers[0].token", "visible ASCII"),
        ({**GOOD, "actions": {}}, "alertmanagers[0].actions", "a list of at most 100 actions"),
        ({**GOOD, "hold": {"fring": "1s"}}, "alertmanagers[0].hold.fring", "did you mean 'firing'?"),
        ("one", "alertmanagers[0]", "expected a source"),
    ],
)
def test_a_wrong_source_is_refused_with_its_place(source: Any, path: str, message: str) -> None:
    ((where, said),) = problems(source)

    assert where == path
    assert message in said


@pytest.mark.parametrize(
    ("action", "path", "message"),
    [
        ({"open_breaker": "x"}, "", "'match' is missing"),
        ({"match": {}, "open_breaker": "x"}, ".match", "got none"),
        ({"match": {"a": 1}, "open_breaker": "x"}, ".match.a", "put it in quotes"),
        ({"match": {"a": "b"}}, "", "expected one of open_breaker"),
        ({"match": {"a": "b"}, "open_breaker": "x", "close_breaker": "x"}, "", "only one of"),
        ({"match": {"a": "b"}, "open_breaker": "X"}, ".open_breaker", "expected a name"),
        (
            {"match": {"a": "b"}, "open_breaker": "x", "hold": {"firing": "2 s"}},
            ".hold.firing",
            "a duration",
        ),
        ({"match": {"a": "b"}, "open_breaker": "x", "hold": {"resolved": "2d"}}, ".hold.resolved", "1d"),
    ],
)
def test_a_wrong_action_is_refused_with_its_place(action: Any, path: str, message: str) -> None:
    ((where, said),) = problems({**GOOD, "actions": [action]})

    assert where == f"alertmanagers[0].actions[0]{path}"
    assert message in said


def test_an_action_that_does_not_exist_is_refused_with_the_nearest() -> None:
    found = problems({**GOOD, "actions": [{"match": {"a": "b"}, "open_braker": "x"}]})

    assert any("did you mean 'open_breaker'?" in message for _, message in found)


def test_two_sources_are_told_apart_by_name_and_token() -> None:
    found = problems(GOOD, GOOD)

    assert {path for path, _ in found} == {"alertmanagers[0].name", "alertmanagers[0]"} | {
        "alertmanagers[1].name",
        "alertmanagers[1]",
    }
    assert TOKEN not in str(found)


def test_a_wrong_file_stops_the_start_and_names_every_place(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    file = settings.config_file
    assert file is not None
    file.write_text("alertmanagers: [{name: One, token: short}]")

    with pytest.raises(SystemExit) as ended:
        configured(settings)

    assert ended.value.code == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[:3:2] for line in said] == [
        ["PENSTOCK_NOTIFIER_CONFIG_FILE", "alertmanagers[0].name"],
        ["PENSTOCK_NOTIFIER_CONFIG_FILE", "alertmanagers[0].token"],
    ]
