"""A whole Penstock for tests and benchmarks: real servers and services as processes that can be killed one by one."""

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from penstock.bus import permissions
from penstock_cli.embedded.child import Child
from penstock_cli.embedded.nats import Nats
from penstock_cli.embedded.ports import free_port
from penstock_cli.embedded.postgres import Postgres

ROOT = Path(__file__).resolve().parent.parent
READY_S_MAX = 30.0


@dataclass(kw_only=True)
class Stack:
    """NATS, PostgreSQL, orchestrators and runners below `folder`.

    `extra` goes into every service's environment, `own[name]` into that of one. `users` are further ones of the bus.
    """

    folder: Path
    agents: tuple[Path, ...]
    orchestrators: int = 1
    runners: int = 1
    notifiers: int = 0
    slots: int = 4
    sandbox: str = "bwrap"
    extra: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    users: Mapping[str, permissions.Permissions] = field(default_factory=dict)
    services: dict[str, Child] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.postgres = Postgres(folder=self.folder / "postgres", log=self.folder / "logs/postgres.log")
        users = {
            "orchestrator": permissions.orchestrator(),
            "runner": permissions.runner(user="runner"),
            permissions.NOTIFIER: permissions.notifier(),
            permissions.PUBLISHER: permissions.publisher(),
            permissions.OBSERVER: permissions.observer(),
            **self.users,
        }
        self.nats = Nats(
            folder=self.folder / "nats", log=self.folder / "logs/nats.log", port=free_port(), users=users
        )
        self.ports = [free_port() for _ in range(self.orchestrators)]
        self.notifier_ports = [free_port() for _ in range(self.notifiers)]

    @property
    def notifier_url(self) -> str:
        return f"http://127.0.0.1:{self.notifier_ports[0]}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    def __enter__(self) -> "Stack":
        try:
            self.postgres.start()
            self.nats.start()
            for number in range(self.orchestrators):
                self.start(f"orchestrator-{number}")
            for number in range(self.runners):
                self.start(f"runner-{number}")
            for number in range(self.notifiers):
                self.start(f"notifier-{number}")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        for name in reversed(list(self.services)):
            self.services[name].stop()
        self.nats.stop()
        self.postgres.stop()

    def start(self, name: str) -> None:
        """Start a service, also one that was killed; returns when an orchestrator or notifier answers."""
        kind, _, number = name.rpartition("-")
        module = {"orchestrator": "orchestrator", "runner": "agent_runner", "notifier": "notifier"}[kind]
        environment = self._environment(kind, name, int(number))
        child = Child(
            name=name,
            command=[sys.executable, "-m", module],
            log=self.folder / f"logs/{name}.log",
            environment=self._base() | environment | dict(self.extra) | dict(self.own.get(name, {})),
        )
        child.start()
        self.services[name] = child
        ports = {"orchestrator": self.ports, "notifier": self.notifier_ports}.get(kind)
        if ports:
            child.wait_ready(lambda: answers(f"http://127.0.0.1:{ports[int(number)]}/health"))

    def kill(self, name: str) -> None:
        """kill -9."""
        self.services[name].kill()

    def log(self, name: str) -> str:
        return (self.folder / f"logs/{name}.log").read_text(errors="replace")

    def _base(self) -> dict[str, str]:
        return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}

    def _environment(self, kind: str, name: str, number: int) -> dict[str, str]:
        if kind == "runner":
            return self._runner(name)
        return self._orchestrator(number) if kind == "orchestrator" else self._notifier(number)

    def _notifier(self, number: int) -> dict[str, str]:
        login = self.nats.login("notifier")
        return {
            "PENSTOCK_NOTIFIER_HTTP_PORT": str(self.notifier_ports[number]),
            "PENSTOCK_NOTIFIER_DATABASE_URL": self.postgres.url(),
            "PENSTOCK_NOTIFIER_NATS_URL": self.nats.url,
            "PENSTOCK_NOTIFIER_NATS_USER": login.user,
            "PENSTOCK_NOTIFIER_NATS_PASSWORD": login.password,
            "PENSTOCK_NOTIFIER_ORCHESTRATOR_URL": self.url,
        }

    def _orchestrator(self, number: int) -> dict[str, str]:
        login = self.nats.login("orchestrator")
        return {
            "PENSTOCK_ORCHESTRATOR_HTTP_PORT": str(self.ports[number]),
            "PENSTOCK_ORCHESTRATOR_DATABASE_URL": self.postgres.url(),
            "PENSTOCK_ORCHESTRATOR_NATS_URL": self.nats.url,
            "PENSTOCK_ORCHESTRATOR_NATS_USER": login.user,
            "PENSTOCK_ORCHESTRATOR_NATS_PASSWORD": login.password,
            "PENSTOCK_ORCHESTRATOR_ARTIFACTS_FOLDER": str(self.folder / "artifacts"),
        }

    def _runner(self, name: str) -> dict[str, str]:
        """A runner of a pool of its own is a user of its own: the bus shows nobody another pool's work."""
        pool = self.own.get(name, {}).get("PENSTOCK_RUNNER_POOL")
        login = self.nats.login(f"runner-{pool}" if pool else "runner")
        return {
            "PENSTOCK_RUNNER_ID": f"{name}-{time.time_ns():x}",
            "PENSTOCK_RUNNER_SLOTS": str(self.slots),
            "PENSTOCK_RUNNER_AGENTS": ":".join(str(folder) for folder in self.agents),
            "PENSTOCK_RUNNER_NATS_URL": self.nats.url,
            "PENSTOCK_RUNNER_NATS_USER": login.user,
            "PENSTOCK_RUNNER_NATS_PASSWORD": login.password,
            "PENSTOCK_RUNNER_ORCHESTRATOR_URL": self.url,
            "PENSTOCK_RUNNER_WORK_FOLDER": str(self.folder / "work" / name),
            "PENSTOCK_RUNNER_SANDBOX": self.sandbox,
        }


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
