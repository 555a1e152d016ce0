"""A setting may stand in a file that `<NAME>_FILE` names."""

from pathlib import Path

import pytest

from agent_runner.settings import Settings as RunnerSettings
from notifier.settings import Settings as NotifierSettings
from orchestrator.settings import Settings as OrchestratorSettings
from penstock.service import read_settings, warn_of_unknown_settings

PREFIX = "PENSTOCK_ORCHESTRATOR_"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.setenv(f"{PREFIX}ARTIFACTS_FOLDER", str(tmp_path))
    monkeypatch.setenv(f"{PREFIX}DATABASE_URL", "postgresql://penstock@localhost/penstock")
    return monkeypatch


def test_a_password_comes_from_its_file_without_the_end_of_the_line(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("s3cret with spaces \n")
    environment.setenv(f"{PREFIX}NATS_PASSWORD_FILE", str(tmp_path / "password"))

    assert read_settings(OrchestratorSettings).nats_password == "s3cret with spaces "


def test_any_setting_may_stand_in_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lease").write_text("12.5\n")
    environment.setenv(f"{PREFIX}NATS_PASSWORD", "x")
    environment.setenv(f"{PREFIX}LEASE_S_FILE", str(tmp_path / "lease"))

    assert read_settings(OrchestratorSettings).lease_s == 12.5


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"NATS_PASSWORD_FILE": "/nowhere/password"}, "NATS_PASSWORD_FILE: /nowhere/password cannot be read"),
        (
            {"NATS_PASSWORD_FILE": "/dev/null", "NATS_PASSWORD": "x"},
            "NATS_PASSWORD_FILE too; set one of them",
        ),
    ],
)
def test_a_wrong_file_stops_the_start_and_names_itself(
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    said: str,
) -> None:
    for name, value in variables.items():
        environment.setenv(PREFIX + name, value)

    with pytest.raises(SystemExit) as stopped:
        read_settings(OrchestratorSettings)

    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_a_wrong_value_from_a_file_is_not_printed(
    environment: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lease").write_text("hush")
    environment.setenv(f"{PREFIX}NATS_PASSWORD", "x")
    environment.setenv(f"{PREFIX}LEASE_S_FILE", str(tmp_path / "lease"))

    with pytest.raises(SystemExit):
        read_settings(OrchestratorSettings)

    said = capsys.readouterr().err
    assert said.startswith(f"{PREFIX}LEASE_S: ")
    assert "hush" not in said


def test_a_setting_that_is_a_file_itself_is_not_read_as_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PENSTOCK_RUNNER_AGENTS", str(tmp_path))
    monkeypatch.setenv("PENSTOCK_RUNNER_SECRETS_FILE", str(tmp_path / "secrets.yaml"))
    monkeypatch.setenv("PENSTOCK_NOTIFIER_CONFIG_FILE", str(tmp_path / "notifier.yaml"))
    for name in ("DATABASE_URL", "NATS_PASSWORD"):
        monkeypatch.setenv(f"PENSTOCK_NOTIFIER_{name}", "x")

    assert read_settings(RunnerSettings).secrets_file == tmp_path / "secrets.yaml"
    assert read_settings(NotifierSettings).config_file == tmp_path / "notifier.yaml"


def test_files_of_settings_that_there_are_not_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    warn_of_unknown_settings(
        OrchestratorSettings, {f"{PREFIX}NATS_PASSWORD_FILE": "/x", f"{PREFIX}NATS_PASWORD_FILE": "/x"}
    )
    said = "".join(capsys.readouterr())

    assert "NATS_PASWORD_FILE" in said
    assert f"'{PREFIX}NATS_PASSWORD_FILE'" not in said
