"""`penstock doctor`: what this machine can enforce, whether everything that Penstock needs is here, and which models
answer."""

import json
import os
import platform
import shutil
import subprocess
import sys
import textwrap
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import typer
from rich.text import Text

from penstock_cli.commands.settings import HTTP_PORT_DEFAULT, NATS_PORT_DEFAULT, NOTIFIER_PORT_DEFAULT
from penstock_cli.embedded import nats, postgres
from penstock_cli.embedded.ports import holder_of, is_free
from penstock_cli.embedded.stack import HTTP_PORT_SETTING, NATS_PORT_SETTING, NOTIFIER_PORT_SETTING
from penstock_cli.errors import StartFailed
from penstock_cli.formats import size
from penstock_cli.output import Format, Output, command, data, print_json

SANDBOX_S_MAX = 120  # its probes start real sandboxes
DISK_FREE_MIN = 1024**3  # NATS and PostgreSQL stop taking messages when the disk is full

Finding = dict[str, Any]


def register(app: typer.Typer) -> None:
    command(app, "doctor")(doctor)


def doctor(output: Output = Format.TEXT) -> None:
    """Check this machine: sandbox, ports, servers, disk, language models. Exit 1 if something is missing."""
    sandbox = _sandbox()
    models = sandbox.pop("models", [])
    machine = [*_versions(), *_ports(), _disk(), _memory()]
    ok = bool(sandbox["ok"]) and all(finding["ok"] for finding in (*machine, *models))
    if output is Format.JSON:
        print_json({"ok": ok, "sandbox": sandbox, "machine": machine, "models": models})
    else:
        _show(f"sandbox (tier {sandbox['tier']})", sandbox["findings"])
        _show("machine", machine)
        _show("language models", models)
    if not ok:
        raise typer.Exit(1)


def _sandbox() -> dict[str, Any]:
    """The agent runner's own findings: it alone knows its sandbox, so it is asked as a process."""
    command = [sys.executable, "-m", "agent_runner", "doctor"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SANDBOX_S_MAX, check=False)
        found: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return _no_sandbox(f"it did not answer within {SANDBOX_S_MAX} s")
    except ValueError:
        return _no_sandbox(done.stderr.strip()[-500:] or f"it ended with {done.returncode} and said nothing")
    return found


def _no_sandbox(reason: str) -> dict[str, Any]:
    return {"ok": False, "tier": "unknown", "findings": [_finding("agent runner", ok=False, detail=reason)]}


def _versions() -> list[Finding]:
    return [
        _finding("Python", ok=sys.version_info >= (3, 11), detail=platform.python_version()),
        _finding("Penstock", ok=True, detail=version("penstock")),
        _finding("kernel", ok=sys.platform == "linux", detail=f"{platform.system()} {platform.release()}"),
        _server("NATS", lambda: [str(nats.binary()), "--version"]),
        _server("PostgreSQL", lambda: [str(postgres.binaries() / "postgres"), "--version"]),
        git(),
    ]


def git() -> Finding:
    """Agents call it; nothing of Penstock itself does."""
    found = _server("git", lambda: ["git", "--version"])
    advice = (
        "agents that work on Git trees fail without it, such as the pack software-delivery: run `make setup`"
    )
    return found if found["ok"] else {**found, "detail": "not installed", "advice": advice}


def _server(name: str, command: Any) -> Finding:
    try:
        done = subprocess.run(command(), capture_output=True, text=True, check=False)
    except (StartFailed, OSError) as error:
        return _finding(name, ok=False, detail=str(error), advice="run `make setup`")
    return _finding(name, ok=done.returncode == 0, detail=done.stdout.strip() or done.stderr.strip())


def _ports() -> list[Finding]:
    wanted = (
        ("orchestrator", HTTP_PORT_SETTING, HTTP_PORT_DEFAULT),
        ("notifier", NOTIFIER_PORT_SETTING, NOTIFIER_PORT_DEFAULT),
        ("NATS", NATS_PORT_SETTING, NATS_PORT_DEFAULT),
    )
    return [_port(name, setting, int(os.environ.get(setting, default))) for name, setting, default in wanted]


def _port(name: str, setting: str, port: int) -> Finding:
    """A held port is no fault: Penstock itself may hold it."""
    if is_free(port):
        return _finding(f"port {port} ({name})", ok=True, detail="free")
    holder = holder_of(port) or "a process that we may not see"
    advice = f"unless that is Penstock, choose another: {setting}=…"
    return _finding(f"port {port} ({name})", ok=True, detail=f"held by {holder}", advice=advice)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    advice = "make room: servers on a full disk refuse to write"
    return _finding("disk", ok=free >= DISK_FREE_MIN, detail=f"{size(free)} free here", advice=advice)


def _memory() -> Finding:
    available = psutil.virtual_memory().available
    return _finding("memory", ok=True, detail=f"{size(available)} available, {os.cpu_count()} processors")


def _finding(name: str, *, ok: bool, detail: str, advice: str | None = None) -> Finding:
    return {"name": name, "ok": ok, "detail": detail, "advice": advice}


def _show(title: str, findings: list[Finding]) -> None:
    data.print(Text(title, "bold"))
    width = max((len(finding["name"]) for finding in findings), default=0)
    for finding in findings:
        sign = Text("  ✔ ", "green") if finding["ok"] else Text("  ✘ ", "bold red")
        data.print(sign + Text(f"{finding['name']:<{width}}  {finding['detail']}"))
        held = finding["detail"].startswith("held by")
        if finding.get("advice") and (held or not finding["ok"]):
            data.print(Text(textwrap.indent(finding["advice"], "    "), "yellow"))
