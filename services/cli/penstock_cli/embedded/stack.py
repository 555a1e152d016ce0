"""The composition root of the embedded mode: which servers there are, and how each is told about the others."""

import fcntl
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import penstock
from penstock.bus import permissions
from penstock_cli.embedded import services
from penstock_cli.embedded.nats import USERS_DEFAULT, Nats
from penstock_cli.embedded.observers import ObserverPorts, Observers
from penstock_cli.embedded.ports import HOST, free_port, require_free
from penstock_cli.embedded.postgres import Postgres
from penstock_cli.embedded.processes import Report, Service, Supervisor
from penstock_cli.errors import AlreadyRunning

HTTP_PORT_SETTING = "PENSTOCK_ORCHESTRATOR_HTTP_PORT"
NOTIFIER_PORT_SETTING = "PENSTOCK_NOTIFIER_HTTP_PORT"
NATS_PORT_SETTING = "PENSTOCK_UP_NATS_PORT"
POSTGRES_PORT_SETTING = "PENSTOCK_UP_POSTGRES_PORT"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to start, and where. `postgres_port` 0: a unix socket only."""

    folder: Path
    http_port: int
    nats_port: int
    notifier_port: int | None = None  # None: no notifier
    postgres_port: int = 0
    runners: int = 1
    runners_max: int = 0  # how many users on the bus for runners there are, if more than `runners`
    slots: int = 4
    observe: ObserverPorts | None = None  # with Prometheus and Alertmanager; they need the notifier
    agents: tuple[Path, ...] = ()  # folders of agents besides the shipped packs
    settings: Mapping[str, str] = field(default_factory=dict)  # more PENSTOCK_… for the services


def packs_folder() -> Path:
    """The packs that Penstock ships, beside the package `penstock`."""
    return Path(next(iter(penstock.__path__))).resolve().parent / "packs"


def agent_folders(own: Sequence[Path]) -> tuple[Path, ...]:
    """Where agents and packs are; what an earlier folder has takes the place of a later one's namesake."""
    given = os.environ.get("PENSTOCK_RUNNER_AGENTS", "")
    return (*own, *map(Path, filter(None, given.split(":"))), packs_folder())


class Stack:
    """All servers of one `penstock up`, on one data folder that nobody else may use meanwhile."""

    def __init__(self, plan: Plan, *, report: Report) -> None:
        self.plan = plan
        self.folder = plan.folder.absolute()
        self.logs = self.folder / "logs"
        self.url = f"http://{HOST}:{plan.http_port}"
        self.notifier_url = None if plan.notifier_port is None else f"http://{HOST}:{plan.notifier_port}"
        self.supervisor = Supervisor(report)
        self.nats = Nats(
            folder=self.folder / "nats", log=self.logs / "nats.log", port=plan.nats_port, users=self._users()
        )
        self.postgres = Postgres(
            folder=self.folder / "postgres", log=self.logs / "postgres.log", port=plan.postgres_port or None
        )
        self.observers = self._observers()
        self.runners: list[Service] = []
        self._runner_ports: list[int] = []
        self._report = report
        self._lock: int | None = None

    def start(self) -> None:
        """Start everything in order; the caller calls `stop` also when this fails halfway."""
        self._take_folder()
        self._require_ports()
        for server in (self.nats, self.postgres):
            self._report(f"starting {server.name}")
            self.supervisor.start(server)
        # A runner first tries to break out of its own sandbox: time enough for the orchestrator to come up.
        services = [self._begin(self._orchestrator())]
        if self.plan.notifier_port is not None:
            services.append(self._begin(self._notifier(self.plan.notifier_port)))
        services += [self.start_runner() for _ in range(self.plan.runners)]
        self._start_observers()
        for service in services:
            service.wait()

    def start_runner(self) -> Service:
        """Start one more runner; it is ready after its `wait`."""
        port = free_port()
        runner = self._runner(f"runner-{len(self.runners) + 1}", port)
        self.runners.append(runner)
        self._runner_ports.append(port)
        self._watch()
        return self._begin(runner)

    def stop(self) -> None:
        self.supervisor.stop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _observers(self) -> Observers | None:
        if self.plan.observe is None or self.notifier_url is None:
            return None
        return Observers(
            folder=self.folder,
            logs=self.logs,
            ports=self.plan.observe,
            notifier_url=self.notifier_url,
            root=packs_folder().parent.parent,
        )

    def _start_observers(self) -> None:
        if self.observers is None:
            return
        self._watch()
        for server in (self.observers.alertmanager, self.observers.prometheus):
            self._report(f"starting {server.name}")
            self.supervisor.start(server)

    def _watch(self) -> None:
        """Tell Prometheus who is there."""
        if self.observers is not None and self.plan.notifier_port is not None:
            self.observers.watch(
                orchestrator=self.plan.http_port,
                notifier=self.plan.notifier_port,
                runners=self._runner_ports,
            )

    def _begin(self, service: Service) -> Service:
        self._report(f"starting {service.name}")
        self.supervisor.begin(service)
        return service

    def _take_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise AlreadyRunning(
                f"another `penstock up` uses {self.folder}; stop it, or choose another folder with --data"
            ) from error
        self._lock = lock

    def _require_ports(self) -> None:
        require_free(self.plan.http_port, purpose="the orchestrator", setting=HTTP_PORT_SETTING)
        if self.plan.notifier_port is not None:
            require_free(self.plan.notifier_port, purpose="the notifier", setting=NOTIFIER_PORT_SETTING)
        require_free(self.plan.nats_port, purpose="NATS", setting=NATS_PORT_SETTING)
        if self.observers is not None:
            self.observers.require()
        if self.plan.postgres_port:
            require_free(self.plan.postgres_port, purpose="PostgreSQL", setting=POSTGRES_PORT_SETTING)

    def _users(self) -> dict[str, permissions.Permissions]:
        """Every runner is a user of its own: it hears neither answers nor orders meant for another."""
        count = max(self.plan.runners, self.plan.runners_max)
        names = [f"runner-{number + 1}" for number in range(count)]
        return {**USERS_DEFAULT, **{name: permissions.runner(user=name, runner=name) for name in names}}

    def _orchestrator(self) -> Service:
        return services.orchestrator(
            folder=self.folder,
            port=self.plan.http_port,
            database_url=self.postgres.url(),
            nats_url=self.nats.url,
            login=self.nats.login(permissions.ORCHESTRATOR),
            settings=self.plan.settings,
        )

    def _notifier(self, port: int) -> Service:
        return services.notifier(
            folder=self.folder,
            port=port,
            database_url=self.postgres.url(),
            nats_url=self.nats.url,
            login=self.nats.login(permissions.NOTIFIER),
            orchestrator_url=self.url,
            settings={**self.plan.settings, **(self.observers.settings() if self.observers else {})},
        )

    def _runner(self, name: str, port: int) -> Service:
        return services.runner(
            name=name,
            folder=self.folder,
            orchestrator_url=self.url,
            nats_url=self.nats.url,
            login=self.nats.login(name),
            agents=self._agent_folders(),
            slots=self.plan.slots,
            port=port,
            settings=self.plan.settings,
        )

    def _agent_folders(self) -> tuple[Path, ...]:
        return agent_folders(self.plan.agents)
