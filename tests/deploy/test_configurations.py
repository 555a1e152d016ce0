"""The configuration of what surrounds Penstock: by each tool's own checker where it is here, else by ourselves."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nats
import pytest
import yaml

from penstock.bus import server_configuration
from penstock_cli.embedded.child import Child
from penstock_cli.embedded.nats import binary
from penstock_cli.embedded.ports import free_port
from tests.deploy.compose import SERVICES, mounts
from tests.stack import ROOT

DEPLOY = ROOT / "deploy"
JOBS_OF_SERVICES = {"orchestrator": "orchestrator", "agent-runner": "runner", "notifier": "notifier"}


def read(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def port_of(image_stage: str) -> int:
    text = (DEPLOY / "Dockerfile").read_text()
    stage = re.search(rf"^FROM base AS {image_stage}\n(.*?)(?=^FROM|\Z)", text, re.MULTILINE | re.DOTALL)
    assert stage is not None
    exposed = re.search(r"^EXPOSE (\d+)$", stage[1], re.MULTILINE)
    assert exposed is not None
    return int(exposed[1])


def checked(*command: str | Path) -> None:
    said = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert said.returncode == 0, said.stdout + said.stderr


def test_promtool_accepts_prometheus_configuration_with_its_rules() -> None:
    checked("promtool", "check", "config", DEPLOY / "prometheus/prometheus.yml")


def test_amtool_accepts_alertmanagers_configuration() -> None:
    checked("amtool", "check-config", DEPLOY / "alertmanager/alertmanager.yml")


def test_prometheus_scrapes_what_is_there_under_the_names_that_rules_and_dashboards_use() -> None:
    jobs = {job["job_name"]: job for job in read("deploy/prometheus/prometheus.yml")["scrape_configs"]}

    for job, service in JOBS_OF_SERVICES.items():
        (replicas,) = jobs[job]["dns_sd_configs"]
        assert (replicas["names"], replicas["port"]) == ([service], port_of(service))
    others = [
        job["static_configs"][0]["targets"] for name, job in jobs.items() if name not in JOBS_OF_SERVICES
    ]
    hosts = {target.split(":")[0] for targets in others for target in targets}
    assert hosts - {"localhost"} <= set(SERVICES)
    assert {name for name, each in SERVICES.items() if "profiles" in each} - hosts == {
        "grafana",
        "prometheus",
    }


def test_alerts_go_to_the_notifier_with_the_token_that_it_knows() -> None:
    (receiver,) = read("deploy/alertmanager/alertmanager.yml")["receivers"]
    (webhook,) = receiver["webhook_configs"]
    (source,) = read("deploy/notifier.yaml")["alertmanagers"]

    assert webhook["url"] == f"http://notifier:{port_of('notifier')}/api/v1/alertmanager"
    assert webhook["http_config"]["authorization"]["credentials_file"] == source["token_file"]
    assert webhook["send_resolved"] is True
    assert "alertmanager_token" in SERVICES["notifier"]["secrets"]
    assert "alertmanager_token" in SERVICES["alertmanager"]["secrets"]


def test_the_collectors_pipelines_are_made_of_what_it_defines() -> None:
    """Our own check: no collector can be had here."""
    config = read("deploy/otel-collector/config.yml")
    service = config["service"]

    for pipeline in service["pipelines"].values():
        for part in ("receivers", "processors", "exporters"):
            assert set(pipeline[part]) <= set(config[part])
    assert set(service["extensions"]) <= set(config["extensions"])
    used = {name for pipeline in service["pipelines"].values() for name in pipeline["exporters"]}
    assert used == set(config["exporters"])
    endpoints = {name: exporter["endpoint"] for name, exporter in config["exporters"].items()}
    tempo, loki = read("deploy/tempo/tempo.yml"), read("deploy/loki/loki.yml")
    tempo_port = tempo["distributor"]["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"].split(":")[1]
    assert endpoints["otlp_grpc/tempo"] == f"tempo:{tempo_port}"
    assert endpoints["otlp_http/loki"] == f"http://loki:{loki['server']['http_listen_port']}/otlp"
    observed = (DEPLOY / "observe.env").read_text()
    port = config["receivers"]["otlp"]["protocols"]["http"]["endpoint"].split(":")[1]
    assert f"OTEL_EXPORTER_OTLP_ENDPOINT=http://otel-collector:{port}" in observed


def test_tempo_has_no_key_of_version_2_and_keeps_its_data_in_its_volume() -> None:
    """Our own check, as is that of Loki: neither can be had here."""
    tempo = read("deploy/tempo/tempo.yml")
    ((_, config), (_, data)) = mounts(SERVICES["tempo"])

    assert not {"ingester", "ingester_client", "compactor", "metrics_generator_client"} & set(tempo)
    assert all(tempo["storage"]["trace"][part]["path"].startswith(data) for part in ("local", "wal"))
    assert SERVICES["tempo"]["command"] == [f"-config.file={config}"]


def test_loki_takes_otlp_and_keeps_its_data_in_its_volume() -> None:
    loki = read("deploy/loki/loki.yml")
    ((_, config), (_, data)) = mounts(SERVICES["loki"])

    assert loki["limits_config"]["allow_structured_metadata"] is True
    assert loki["schema_config"]["configs"][-1]["schema"] == "v13"  # the first that has structured metadata
    assert loki["common"]["path_prefix"] == data
    assert SERVICES["loki"]["command"] == [f"-config.file={config}"]


def test_grafana_knows_the_sources_that_the_dashboards_name_and_finds_the_dashboards() -> None:
    sources = {s["uid"]: s for s in read("grafana/provisioning/datasources/penstock.yml")["datasources"]}
    (provider,) = read("grafana/provisioning/dashboards/penstock.yml")["providers"]
    mounted = {target: source for source, target in mounts(SERVICES["grafana"])}

    assert set(sources) == {"prometheus", "tempo", "loki"}
    for uid, source in sources.items():
        assert source["type"] == uid
        assert re.fullmatch(rf"http://{uid}:\d+", source["url"])
        assert uid in SERVICES
    assert mounted[provider["options"]["path"]] == "./grafana/dashboards"
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home.startswith(provider["options"]["path"])


def test_the_configuration_of_nats_is_current() -> None:
    written = (DEPLOY / "nats/nats.conf").read_text()

    assert written == server_configuration.for_containers(), "run `make docs`"


async def test_nats_takes_the_configuration_and_each_users_own_secret(tmp_path: Path) -> None:
    """As the containers have it: the passwords are a secret that the configuration includes."""
    port, monitoring = free_port(), free_port()
    secrets, folder = tmp_path / "run/secrets", tmp_path / "etc/nats"
    folder.mkdir(parents=True)
    checked("bash", DEPLOY / "secrets.sh", secrets)
    text = (DEPLOY / "nats/nats.conf").read_text()
    for before, after in (('"/data"', f'"{tmp_path}/data"'), ("4222", str(port)), ("8222", str(monitoring))):
        assert before in text
        text = text.replace(before, after)
    (folder / "nats.conf").write_text(text)
    checked(binary(), "-t", "-c", folder / "nats.conf")

    server = Child(
        name="nats", command=[str(binary()), "-c", str(folder / "nats.conf")], log=tmp_path / "log"
    )
    server.start()
    try:
        server.wait_ready(lambda: "Server is ready" in (tmp_path / "log").read_text())
        for user in server_configuration.CONTAINER_USERS:
            password = (secrets / f"nats_{user}_password").read_text()
            client = await nats.connect(f"nats://127.0.0.1:{port}", user=user, password=password)
            await client.close()
        with pytest.raises(nats.errors.Error, match="Authorization"):
            await nats.connect(
                f"nats://127.0.0.1:{port}", user="runner", password="guessed", allow_reconnect=False
            )
    finally:
        server.stop()


def test_the_health_check_says_what_the_address_says() -> None:
    url = f"http://127.0.0.1:{free_port()}/health"
    command = [sys.executable, str(DEPLOY / "healthy.py")]

    said = subprocess.run(
        command, env={"PENSTOCK_HEALTH_URL": url}, capture_output=True, text=True, check=False
    )

    assert said.returncode == 1
    assert said.stderr.startswith("unhealthy: ")
