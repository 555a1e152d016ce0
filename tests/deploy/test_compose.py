"""docker-compose.yml: valid by the Compose specification, hardened throughout, and in agreement with the code."""

import json
import re
import subprocess
from pathlib import Path

import compose_spec
import pyseccomp
import pytest
import yaml

from agent_runner.settings import Settings as RunnerSettings
from notifier.settings import Settings as NotifierSettings
from orchestrator.settings import Settings as OrchestratorSettings
from penstock.service import FROM_FILE
from tests.deploy.compose import COMPOSE, SERVICES, document, mounts
from tests.stack import ROOT

SETTINGS = {
    "orchestrator": OrchestratorSettings,
    "runner": RunnerSettings,
    "notifier": NotifierSettings,
}
OURS = tuple(SETTINGS)
WITHOUT_CLIENT = {
    "otel-collector",
    "tempo",
    "loki",
    "nats-exporter",
}  # their images have nothing that could ask
STARTERS = {"nats-folder"}
NO_SUCH_CALL = -1
each_service = pytest.mark.parametrize("name", SERVICES)


def test_it_is_valid_by_the_specification() -> None:
    compose_spec.PyCompose.from_json(json.dumps(document()))


def test_the_check_refuses_what_is_wrong() -> None:
    wrong = document()
    wrong["services"]["nats"]["healthcheck"]["interval"] = "soon"
    with pytest.raises(ValueError, match="soon"):
        compose_spec.PyCompose.from_json(json.dumps(wrong))


@each_service
def test_every_container_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["init"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not {"privileged", "cap_add", "pid", "ipc", "userns_mode", "devices"} & set(service)
    assert "docker.sock" not in json.dumps(service)
    assert service.get("network_mode") in (None, "none")


@each_service
def test_nobody_is_root(name: str) -> None:
    """By the file, or by an image that says so itself: ours, and Tempo's and Loki's (uid 10001)."""
    user = str(SERVICES[name].get("user", ""))
    by_image = name in {*OURS, *STARTERS, "tempo", "loki"}

    assert by_image or re.fullmatch(r"[1-9]\d*:\d+", user)


@each_service
def test_images_are_pinned(name: str) -> None:
    image = SERVICES[name]["image"]

    assert re.search(r":v?\d+(\.\d+)*(-alpine)?$", image), image
    assert (image.startswith("penstock/")) == ("build" in SERVICES[name])


@each_service
def test_every_service_is_asked_whether_it_is_well(name: str) -> None:
    """Ours by their images; those that nothing in their image can ask are scraped instead."""
    asked = "healthcheck" in SERVICES[name] or name in OURS

    assert asked == (name not in WITHOUT_CLIENT)


@each_service
def test_what_it_mounts_is_there_and_what_it_publishes_stays_on_this_machine(name: str) -> None:
    service = SERVICES[name]
    for source, _ in mounts(service):
        assert (ROOT / source).exists() if source.startswith("./") else source in COMPOSE["volumes"], source
    assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"])
    assert set(service.get("networks", ())) <= set(COMPOSE["networks"])
    assert set(service.get("depends_on", ())) <= set(SERVICES)
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_no_volume_network_or_secret_is_left_over() -> None:
    used = {source for service in SERVICES.values() for source, _ in mounts(service)}
    secrets = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}

    assert set(COMPOSE["volumes"]) <= used
    assert set(COMPOSE["secrets"]) == secrets


@pytest.mark.parametrize("name", OURS)
def test_our_services_are_told_settings_that_they_have_and_secrets_as_files(name: str) -> None:
    settings, environment = SETTINGS[name], SERVICES[name]["environment"]
    prefix = settings.model_config["env_prefix"]
    told = {key for key in environment if key.startswith("PENSTOCK_")}
    known = {prefix + field.upper() for field in settings.model_fields}

    assert {key if key in known else key.removesuffix(FROM_FILE) for key in told} <= known
    for key in told:
        value = str(environment[key])
        secret = re.search(r"PASSWORD|DATABASE_URL", key)
        assert not secret or (key.endswith(FROM_FILE) and value.startswith("/run/secrets/")), key
        if value.startswith("/run/secrets/"):
            assert value.removeprefix("/run/secrets/") in SERVICES[name]["secrets"]
    required = {prefix + field.upper() for field, info in settings.model_fields.items() if info.is_required()}
    of_image = set(re.findall(rf"({prefix}\w+)=", (ROOT / "deploy/Dockerfile").read_text()))
    assert required <= {key.removesuffix(FROM_FILE) for key in told} | of_image


def test_core_is_what_has_no_profile_and_observe_is_the_rest() -> None:
    core = {name for name, service in SERVICES.items() if "profiles" not in service}
    rest = {profile for service in SERVICES.values() for profile in service.get("profiles", ())}
    environment = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / "deploy/observe.env").read_text(), re.MULTILINE))

    assert core == {"postgres", "nats-folder", "nats", *OURS}
    assert rest == {environment["COMPOSE_PROFILES"]} == {"observe"}
    assert all(set(SERVICES[name].get("depends_on", ())) <= core for name in core)


def test_postgres_keeps_its_data_where_version_18_has_it() -> None:
    assert mounts(SERVICES["postgres"]) == [("postgres", "/var/lib/postgresql")]


def test_the_runners_profile_names_system_calls_and_leaves_those_that_bubblewrap_makes() -> None:
    (option,) = [each for each in SERVICES["runner"]["security_opt"] if each.startswith("seccomp=")]
    profile = json.loads((ROOT / option.removeprefix("seccomp=")).read_text())
    refused = {name for rule in profile["syscalls"] for name in rule["names"]}

    assert {rule["action"] for rule in profile["syscalls"]} == {"SCMP_ACT_ERRNO"}
    assert {"bpf", "init_module", "kexec_load", "add_key", "open_by_handle_at"} <= refused
    assert not refused & {"clone", "clone3", "unshare", "setns", "mount", "umount2", "pivot_root", "seccomp"}
    assert not refused & {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"}
    assert all(pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) != NO_SUCH_CALL for name in refused)


def test_the_secrets_are_made_once_and_are_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    made = []
    for _ in range(2):
        subprocess.run(["bash", ROOT / "deploy/secrets.sh", folder], check=True)
        made.append({file.name: file.read_text() for file in folder.iterdir()})

    files = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert made[0] == made[1]
    assert files <= set(made[0])
    assert folder.stat().st_mode & 0o077 == 0
    assert all(
        len(text) == 32 and text.isalnum() for name, text in made[0].items() if name.endswith("_password")
    )
    assert made[0]["postgres_password"] in made[0]["database_url"]
    assert yaml.safe_load((ROOT / "deploy/notifier.yaml").read_text())["alertmanagers"][0]["token_file"] == (
        "/run/secrets/alertmanager_token"
    )
