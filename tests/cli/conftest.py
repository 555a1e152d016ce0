"""A running `penstock up`, started the way a person does, and the command beside it."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from penstock_cli.embedded.ports import free_port
from penstock_cli.main import app

AGENTS = Path(__file__).parent / "agents"
PENSTOCK = [sys.executable, "-m", "penstock_cli.main"]

PRESS = """
name: press-pages
inputs:
  type: object
  required: [text]
  properties:
    text: {type: string}
    copies: {type: integer, default: 1}
    source: {type: string, format: artifact}
nodes:
  press:
    agent: press
    with:
      text: "${{ inputs.text }}"
      source: "${{ has(inputs.source) ? inputs.source : null }}"
    retry: none
output:
  page: "${{ nodes.press.output.page }}"
  read: "${{ nodes.press.output.read }}"
  text: "${{ nodes.press.output.text }}"
  copies: "${{ inputs.copies }}"
"""


@dataclass(frozen=True)
class Shell:
    """Runs `penstock` in `folder` against one orchestrator; in this process, for its start takes half a second."""

    url: str
    folder: Path

    def __call__(self, *arguments: str, text: str | None = None) -> "Done":
        with contextlib.chdir(self.folder):
            done = CliRunner().invoke(app, arguments, input=text, env={"PENSTOCK_URL": self.url})
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(code=done.exit_code, out=done.stdout, err=done.stderr)

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return name


@dataclass(frozen=True)
class Done:
    """What a command said: data on stdout, words on stderr."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


def start_up(folder: Path, *options: str) -> tuple["subprocess.Popen[str]", dict[str, Any]]:
    """`penstock up` on free ports; returns the process and what it said of its places."""
    ports = ["--port", str(free_port()), "--nats-port", str(free_port()), "--notifier-port", str(free_port())]
    command: Sequence[str] = [*PENSTOCK, "up", "-o", "json", "--data", str(folder), *ports, *options]
    log = (folder.parent / "up.log").open("w")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, (folder.parent / "up.log").read_text()
    return process, json.loads(line)


@pytest.fixture(scope="session")
def penstock_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The places of a running Penstock with the agents of these tests."""
    process, places = start_up(tmp_path_factory.mktemp("up") / "data", "--agents", str(AGENTS))
    yield places
    process.send_signal(signal.SIGINT)
    process.wait(30)


@pytest.fixture
def penstock(penstock_up: dict[str, Any], tmp_path: Path) -> Shell:
    return Shell(url=penstock_up["url"], folder=tmp_path)
