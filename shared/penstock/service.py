"""What every service does at its start and end: logging, settings, signals."""

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import structlog
from pydantic import ValidationError
from pydantic_settings import BaseSettings
from structlog.tracebacks import ExceptionDictTransformer

from penstock.contracts.names import did_you_mean
from penstock.telemetry.logs import Forwarding, LineSink, open_logs
from penstock.telemetry.tracing import Tracing, WrongTracing, open_tracing

S = TypeVar("S", bound=BaseSettings)

EXIT_WRONG_SETTING = 2
FROM_FILE = "_FILE"  # PENSTOCK_ORCHESTRATOR_NATS_PASSWORD_FILE: what NATS_PASSWORD would say stands there
CANCEL_AGAIN_S = 0.5


def set_up_logging(service: str, *, level: int = logging.INFO) -> LineSink | None:
    """JSON lines on stderr: a constant event name with fields, errors with type, message and stack.

    Returns where they go besides, if OpenTelemetry's variables name a collector.
    """
    sink = open_logs(service, instance=f"{socket.gethostname()}-{os.getpid()}", environment=os.environ)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            # Without local variables: they hold payloads and secrets.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            *([] if sink is None else [Forwarding(sink)]),
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    return sink


def calm_garbage_collection() -> None:
    """Let the collector look rarely: what services make is mostly acyclic, and freed without it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def allow_many_connections() -> None:
    """As many open files as the system lets this process have: its default of 1,024 is less than 1,000 live views
    and what a service has open besides."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def read_settings(kind: type[S]) -> S:
    """The service's settings from the environment; a wrong one ends the process and names itself.

    Each may stand in a file instead, named by `<NAME>_FILE`: secrets do not belong into an environment.
    """
    try:
        return kind(**_from_files(kind, os.environ))
    except ValidationError as error:
        prefix = kind.model_config.get("env_prefix", "")
        for problem in error.errors():
            name = prefix + "_".join(str(part) for part in problem["loc"]).upper()
            is_secret = name + FROM_FILE in os.environ
            print(f"{name}: {problem['msg']}{'' if is_secret else _given(problem)}", file=sys.stderr)
        raise SystemExit(EXIT_WRONG_SETTING) from None


def tracing_of(service: str, *, instance: str = "") -> Tracing:
    """Traces as OpenTelemetry's variables want them; a wrong one ends the process and names itself."""
    instance = instance or f"{socket.gethostname()}-{os.getpid()}"
    try:
        return open_tracing(service, instance=instance, environment=os.environ)
    except WrongTracing as error:
        print(error, file=sys.stderr)
        raise SystemExit(EXIT_WRONG_SETTING) from None


def warn_of_unknown_settings(kind: type[BaseSettings], environment: dict[str, str]) -> None:
    """Say which variables look like settings of this service and are none."""
    prefix = kind.model_config.get("env_prefix", "")
    known = [prefix + name.upper() for name in kind.model_fields]
    for name in environment:
        if name.startswith(prefix) and name.removesuffix(FROM_FILE) not in known and name not in known:
            structlog.get_logger(__name__).warning(
                "settings.unknown", name=name, hint=did_you_mean(name, known)
            )


def _from_files(kind: type[BaseSettings], environment: Mapping[str, str]) -> dict[str, Any]:
    """Setting → what stands in the file that `<NAME>_FILE` names, without the end of its last line."""
    prefix = kind.model_config.get("env_prefix", "")
    values: dict[str, Any] = {}
    for field in kind.model_fields:
        name = prefix + field.upper()
        file = environment.get(name + FROM_FILE)
        if not file or f"{field}{FROM_FILE.lower()}" in kind.model_fields:
            continue
        if environment.get(name):
            _refuse_setting(name, f"there is {name}{FROM_FILE} too; set one of them")
        try:
            values[field] = Path(file).read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            _refuse_setting(name + FROM_FILE, f"{file} cannot be read: {error}")
    return values


def _refuse_setting(name: str, reason: str) -> None:
    print(f"{name}: {reason}", file=sys.stderr)
    raise SystemExit(EXIT_WRONG_SETTING)


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel tasks until they have ended: on Python 3.11 `wait_for`, which libraries use, may swallow one.

    Whoever is cancelled in here, perhaps because it takes long, leaves only when they have ended too.
    """
    cancelled: asyncio.CancelledError | None = None
    while pending := {task for task in tasks if not task.done()}:
        for task in pending:
            task.cancel()
        try:
            await asyncio.wait(pending, timeout=CANCEL_AGAIN_S)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def until_told_to_stop() -> signal.Signals:
    """Returns at the first SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[signal.Signals] = loop.create_future()

    def tell(which: signal.Signals) -> None:
        if not told.done():
            told.set_result(which)

    for which in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(which, tell, which)
    return await told


def _given(problem: object) -> str:
    given = problem.get("input") if isinstance(problem, dict) else None
    return "" if given is None or isinstance(given, dict) else f" (given: {given!r})"
