"""`penstock up`: everything on this machine, until Ctrl-C."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import typer

from penstock_cli.api import Api
from penstock_cli.commands import settings
from penstock_cli.commands.overview import refusals
from penstock_cli.commands.settings import (
    Agents,
    AlertmanagerPort,
    DataFolder,
    HttpPort,
    Models,
    NatsPort,
    NotifierPort,
    Observe,
    PostgresPort,
    PrometheusPort,
    Runners,
    Slots,
)
from penstock_cli.embedded.observers import ObserverPorts
from penstock_cli.embedded.stack import Plan, Stack, agent_folders
from penstock_cli.errors import CommandError
from penstock_cli.output import Format, Output, command, people, print_json, say
from penstock_cli.packs import store_files, workflow_files
from penstock_cli.saving import save_file, save_store_file

TEND_S = 0.25


class Interrupted(Exception):
    """Somebody asked us to stop: Ctrl-C or SIGTERM."""


def register(app: typer.Typer) -> None:
    command(app, "up")(up)


def up(
    data: DataFolder = settings.FOLDER_DEFAULT,
    runners: Runners = 1,
    slots: Slots = 4,
    port: HttpPort = settings.HTTP_PORT_DEFAULT,
    notifier_port: NotifierPort = settings.NOTIFIER_PORT_DEFAULT,
    nats_port: NatsPort = settings.NATS_PORT_DEFAULT,
    postgres_port: PostgresPort = 0,
    agents: Agents = None,
    models: Models = None,
    observe: Observe = False,
    prometheus_port: PrometheusPort = settings.PROMETHEUS_PORT_DEFAULT,
    alertmanager_port: AlertmanagerPort = settings.ALERTMANAGER_PORT_DEFAULT,
    output: Output = Format.TEXT,
) -> None:
    """Start all of Penstock on this machine; Ctrl-C stops it.

    That is NATS, PostgreSQL, the orchestrator, the notifier and agent runners,
    with everything that they keep in one folder; with --observe also Prometheus and
    Alertmanager, which watch them and tell the notifier.
    """
    ports = ObserverPorts(prometheus=prometheus_port, alertmanager=alertmanager_port)
    plan = Plan(
        folder=data,
        http_port=port,
        notifier_port=notifier_port,
        nats_port=nats_port,
        postgres_port=postgres_port,
        runners=runners,
        slots=slots,
        observe=ports if observe else None,
        agents=tuple(folder.absolute() for folder in agents or ()),
        settings={settings.MODELS_SETTING: str(models.absolute())} if models else {},
    )
    with running(plan) as stack:
        apply_packs(Api(stack.url), plan.agents)
        refused = refusals(Api(stack.url).agents()["items"])
        if output is Format.JSON:
            print_json(_places(stack))
        _show_places(stack)
        for refusal in refused:
            say(f"\n{refusal}")
        while True:
            stack.supervisor.tend()
            time.sleep(TEND_S)


@contextmanager
def running(plan: Plan) -> Iterator[Stack]:
    """Everything started; at the end, or when interrupted, everything stopped in reverse order."""
    stack = Stack(plan, report=say)
    former = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        stack.start()
        yield stack
    except Interrupted:
        say("\nstopping")
    finally:
        # A second Ctrl-C ends us at once; the children notice and stop by themselves.
        for number in former:
            signal.signal(number, signal.SIG_DFL)
        stack.stop()
        for number, handler in former.items():
            signal.signal(number, handler)


def apply_packs(api: Api, own: Sequence[Path] = ()) -> list[str]:
    """Save stores and workflows of the packs in these folders and of those that Penstock ships.

    What is refused (a store that rows of an older one do not fit) is told, and the others are saved. Returns the
    workflows' names.
    """
    folders = agent_folders(own)
    for path in store_files(folders):
        _saved(save_store_file, api, path)
    saved = [_saved(save_file, api, path) for path in workflow_files(folders)]
    return [str(workflow["name"]) for workflow in saved if workflow is not None]


def _saved(
    save: Callable[[Api, Path], tuple[dict[str, Any], bool]], api: Api, path: Path
) -> dict[str, Any] | None:
    try:
        return save(api, path)[0]
    except CommandError as refused:
        say(f"not saved: {refused}")
        return None


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


def _places(stack: Stack) -> dict[str, Any]:
    return {
        "url": stack.url,
        "notifier": stack.notifier_url,
        "nats": stack.nats.url,
        "postgres_socket": str(stack.postgres.sockets),
        "folder": str(stack.folder),
        "logs": str(stack.logs),
        "runners": [runner.name for runner in stack.runners],
        **{name: url for name, url, _ in _observers(stack)},
    }


def _observers(stack: Stack) -> list[tuple[str, str, str]]:
    """Name, URL and what is to be seen there."""
    if stack.observers is None:
        return []
    prometheus, alertmanager = stack.observers.prometheus.url, stack.observers.alertmanager.url
    return [
        ("prometheus", prometheus, f"targets: {prometheus}/targets, alerts: {prometheus}/alerts"),
        ("alertmanager", alertmanager, "tells the notifier"),
    ]


def _show_places(stack: Stack) -> None:
    lines = (
        ("orchestrator", f"{stack.url}   (OpenAPI: {stack.url}/api/v1/openapi.json)"),
        ("notifier", f"{stack.notifier_url}   (OpenAPI: {stack.notifier_url}/api/v1/openapi.json)"),
        ("NATS", f"{stack.nats.url}   (users and passwords: {_short(stack.nats.folder / 'passwords.json')})"),
        (
            "PostgreSQL",
            f"{stack.postgres.sockets}   (password: {_short(stack.postgres.folder / 'password')})",
        ),
        *((name.capitalize(), f"{url}   ({told})") for name, url, told in _observers(stack)),
        ("runners", ", ".join(runner.name for runner in stack.runners) or "none"),
        ("logs", _short(stack.logs)),
    )
    people.print("\n[bold green]Penstock is up.[/] Ctrl-C stops it.\n")
    for name, text in lines:
        say(f"  {name:<13} {text}")
    elsewhere = "" if stack.plan.http_port == settings.HTTP_PORT_DEFAULT else f"PENSTOCK_URL={stack.url} "
    say(f"\nNow, in another terminal:  {elsewhere}penstock run repository-guard -i repository=@. --wait")


def _short(path: Path) -> str:
    """`path` from here, when it is below here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
