"""The live view, on a real terminal device."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cli.conftest import PRESS, Shell


def test_on_a_terminal_the_nodes_are_drawn_live_and_then_summed_up(penstock: Shell) -> None:
    penstock("apply", penstock.write("press.yaml", PRESS))
    command = [sys.executable, "-m", "penstock_cli.main", "run", "press-pages", "-i", "text=slowly", "--wait"]
    environment = {"PENSTOCK_URL": penstock.url, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "30"}

    with terminal() as (ours, theirs):
        process = subprocess.Popen(command, stderr=theirs, stdout=subprocess.DEVNULL, env=environment)
        os.close(theirs)
        screen = everything(ours)
        code = process.wait()

    assert code == 0
    assert "\x1b[?25l" in screen  # the cursor is hidden while the view is drawn again and again
    assert "\x1b[?25h" in screen
    assert "0 of 1 nodes" in screen
    assert "1 of 1 nodes" in screen
    assert "✔ succeeded" in screen


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    try:
        yield ours, theirs
    finally:
        os.close(ours)


def everything(descriptor: int) -> str:
    """What is written to the terminal until nobody has it open any more."""
    parts = []
    while True:
        try:
            part = os.read(descriptor, 65_536)
        except OSError:  # EIO: the other side is closed
            return b"".join(parts).decode()
        parts.append(part)
