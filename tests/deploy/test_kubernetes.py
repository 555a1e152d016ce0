"""The Kubernetes manifests agree with the images, the settings and docker-compose.yml, and are as hardened."""

from typing import Any

import pytest
import yaml

from agent_runner.settings import Settings as RunnerSettings
from notifier.settings import Settings as NotifierSettings
from orchestrator.settings import Settings as OrchestratorSettings
from penstock.service import FROM_FILE
from tests.deploy.compose import SERVICES
from tests.deploy.test_configurations import port_of
from tests.stack import ROOT

SETTINGS = {"orchestrator": OrchestratorSettings, "runner": RunnerSettings, "notifier": NotifierSettings}
each_service = pytest.mark.parametrize("name", SETTINGS)


def manifests(name: str) -> dict[str, Any]:
    """Kind → manifest."""
    documents = yaml.safe_load_all((ROOT / f"deploy/kubernetes/{name}.yaml").read_text())
    return {document["kind"]: document for document in documents}


def pod_of(name: str) -> dict[str, Any]:
    return manifests(name)["Deployment"]["spec"]["template"]["spec"]


@each_service
def test_a_pod_has_no_more_rights_than_its_container_in_compose(name: str) -> None:
    pod = pod_of(name)
    (container,) = pod["containers"]

    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"]["type"] != "Unconfined"
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert not any("hostPath" in volume for volume in pod["volumes"])


@each_service
def test_it_runs_the_image_on_its_port_and_is_asked_whether_it_is_well(name: str) -> None:
    (container,) = pod_of(name)["containers"]
    (port,) = container["ports"]
    paths = {
        probe: container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")
    }

    assert container["image"] == SERVICES[name]["image"]
    assert port["containerPort"] == port_of(name)
    assert paths == {"startup": "/health", "liveness": "/health", "readiness": "/ready"}
    assert container["resources"]["limits"]["memory"]


@each_service
def test_its_settings_are_there_and_its_secrets_are_files_that_are_mounted(name: str) -> None:
    pod, prefix = pod_of(name), SETTINGS[name].model_config["env_prefix"]
    (container,) = pod["containers"]
    told = {each["name"]: each["value"] for each in container["env"]}
    known = {prefix + field.upper() for field in SETTINGS[name].model_fields}
    (folder,) = [m["mountPath"] for m in container["volumeMounts"] if m["name"] == "secrets"]
    (secret,) = [volume["secret"] for volume in pod["volumes"] if volume["name"] == "secrets"]
    mounted = {f"{folder}/{item['path']}" for item in secret["items"]}

    assert {key if key in known else key.removesuffix(FROM_FILE) for key in told} <= known
    assert {value for value in told.values() if value.startswith("/run/secrets")} == mounted
    assert {volume["name"] for volume in pod["volumes"]} == {m["name"] for m in container["volumeMounts"]}


@each_service
def test_a_service_of_kubernetes_leads_to_its_pods(name: str) -> None:
    found = manifests(name)
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]

    assert found["Deployment"]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert ("Service" in found) == (name != "runner")  # nobody calls a runner
    if name != "runner":
        assert found["Service"]["spec"]["selector"].items() <= labels.items()
        assert found["Service"]["spec"]["ports"][0]["port"] == port_of(name)
