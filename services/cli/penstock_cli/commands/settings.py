"""The settings of `penstock up`, as options and as environment variables."""

from pathlib import Path
from typing import Annotated

import typer

from penstock_cli.embedded.observers import ALERTMANAGER_PORT_SETTING, PROMETHEUS_PORT_SETTING
from penstock_cli.embedded.stack import (
    HTTP_PORT_SETTING,
    NATS_PORT_SETTING,
    NOTIFIER_PORT_SETTING,
    POSTGRES_PORT_SETTING,
)

HTTP_PORT_DEFAULT = 9002
NOTIFIER_PORT_DEFAULT = 9003
NATS_PORT_DEFAULT = 4222
PROMETHEUS_PORT_DEFAULT = 9090
ALERTMANAGER_PORT_DEFAULT = 9093
FOLDER_DEFAULT = Path(".penstock")
MODELS_SETTING = "PENSTOCK_RUNNER_MODELS_FILE"

_PORT_MAX = 65_535

DataFolder = Annotated[
    Path, typer.Option("--data", envvar="PENSTOCK_UP_DATA", help="Where everything is kept.")
]
Runners = Annotated[
    int, typer.Option(min=0, max=64, envvar="PENSTOCK_UP_RUNNERS", help="How many agent runners.")
]
Slots = Annotated[
    int,
    typer.Option(min=1, max=1000, envvar="PENSTOCK_RUNNER_SLOTS", help="Attempts at once, for each runner."),
]
HttpPort = Annotated[
    int,
    typer.Option("--port", min=1, max=_PORT_MAX, envvar=HTTP_PORT_SETTING, help="The orchestrator's port."),
]
NotifierPort = Annotated[
    int, typer.Option(min=1, max=_PORT_MAX, envvar=NOTIFIER_PORT_SETTING, help="The notifier's port.")
]
NatsPort = Annotated[
    int, typer.Option(min=1, max=_PORT_MAX, envvar=NATS_PORT_SETTING, help="The port of NATS.")
]
PostgresPort = Annotated[
    int,
    typer.Option(
        min=0, max=_PORT_MAX, envvar=POSTGRES_PORT_SETTING, help="PostgreSQL's port; 0: a unix socket only."
    ),
]
Observe = Annotated[
    bool,
    typer.Option("--observe", envvar="PENSTOCK_UP_OBSERVE", help="Start Prometheus and Alertmanager too."),
]
PrometheusPort = Annotated[
    int,
    typer.Option(
        min=1, max=_PORT_MAX, envvar=PROMETHEUS_PORT_SETTING, help="Prometheus's port, with --observe."
    ),
]
AlertmanagerPort = Annotated[
    int,
    typer.Option(
        min=1, max=_PORT_MAX, envvar=ALERTMANAGER_PORT_SETTING, help="Alertmanager's port, with --observe."
    ),
]
Agents = Annotated[
    list[Path] | None,
    typer.Option(
        "--agents",
        exists=True,
        file_okay=False,
        help="A folder with agents or packs, before the shipped ones; may be repeated.",
    ),
]
Models = Annotated[
    Path | None,
    typer.Option(
        "--models",
        exists=True,
        dir_okay=False,
        envvar=MODELS_SETTING,
        help="A file with language models that agents may call.",
    ),
]
