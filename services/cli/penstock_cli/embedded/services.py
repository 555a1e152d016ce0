"""Penstock's own processes as `penstock up` starts them: their settings, and how we see that they are ready."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from penstock.contracts.names import POOL_DEFAULT
from penstock_cli.embedded.child import Child
from penstock_cli.embedded.nats import Login
from penstock_cli.embedded.ports import HOST
from penstock_cli.embedded.probe import ReadyPage
from penstock_cli.embedded.processes import Service

RUNNER_READY_S_MAX = 60.0  # a runner first tries to break out of its own sandbox
RUNNER_DRAIN_S = 5.0  # whoever pressed Ctrl-C is waiting


def orchestrator(
    *, folder: Path, port: int, database_url: str, nats_url: str, login: Login, settings: Mapping[str, str]
) -> Service:
    own = {
        "HTTP_HOST": HOST,
        "HTTP_PORT": str(port),
        "DATABASE_URL": database_url,
        "NATS_URL": nats_url,
        "NATS_USER": login.user,
        "NATS_PASSWORD": login.password,
        "ARTIFACTS_FOLDER": str(folder / "artifacts"),
    }
    environment = _environment("PENSTOCK_ORCHESTRATOR_", own, settings)
    child = _child("orchestrator", module="orchestrator", folder=folder, environment=environment)
    page = ReadyPage(f"http://{HOST}:{port}")
    return Service(child=child, probe=page, why=lambda: page.reason)


def notifier(
    *,
    folder: Path,
    port: int,
    database_url: str,
    nats_url: str,
    login: Login,
    orchestrator_url: str,
    settings: Mapping[str, str],
) -> Service:
    own = {
        "HTTP_HOST": HOST,
        "HTTP_PORT": str(port),
        "DATABASE_URL": database_url,
        "NATS_URL": nats_url,
        "NATS_USER": login.user,
        "NATS_PASSWORD": login.password,
        "ORCHESTRATOR_URL": orchestrator_url,
    }
    environment = _environment("PENSTOCK_NOTIFIER_", own, settings)
    child = _child("notifier", module="notifier", folder=folder, environment=environment)
    page = ReadyPage(f"http://{HOST}:{port}")
    return Service(child=child, probe=page, why=lambda: page.reason)


def runner(
    *,
    name: str,
    folder: Path,
    orchestrator_url: str,
    nats_url: str,
    login: Login,
    agents: tuple[Path, ...],
    slots: int,
    port: int,
    settings: Mapping[str, str],
) -> Service:
    """A runner named `name`; a restarted one keeps the name, and with it its user on the bus."""
    own = {
        "ID": name,
        "POOL": POOL_DEFAULT,
        "SLOTS": str(slots),
        "AGENTS": ":".join(map(str, agents)),
        "NATS_URL": nats_url,
        "NATS_USER": login.user,
        "NATS_PASSWORD": login.password,
        "ORCHESTRATOR_URL": orchestrator_url,
        "WORK_FOLDER": str(folder / "runners" / name),
        "DRAIN_GRACE_S": str(RUNNER_DRAIN_S),
        "HTTP_HOST": HOST,
        "HTTP_PORT": str(port),
    }
    environment = _environment("PENSTOCK_RUNNER_", own, settings)
    child = _child(name, module="agent_runner", folder=folder, environment=environment)
    page = ReadyPage(f"http://{HOST}:{port}")
    return Service(child=child, probe=page, why=lambda: page.reason, patience_s=RUNNER_READY_S_MAX)


def _environment(prefix: str, own: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment, then what belongs together here, then what this start asked for."""
    asked = {name: value for name, value in settings.items() if name.startswith(prefix)}
    return {**os.environ, **{prefix + name: value for name, value in own.items()}, **asked}


def _child(name: str, *, module: str, folder: Path, environment: Mapping[str, str]) -> Child:
    command = [sys.executable, "-m", module]
    return Child(name=name, command=command, log=folder / "logs" / f"{name}.log", environment=environment)
