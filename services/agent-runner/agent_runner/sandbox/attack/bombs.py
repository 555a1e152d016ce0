"""Programs that use more than they may: `python -m agent_runner.sandbox.attack.bombs NAME AMOUNT`.

Each exits with 0 only when it got all it asked for; whether a limit held is for the host to say.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

_MIB = 1024 * 1024


def memory(mebibytes: int) -> None:
    """Allocate and touch."""
    kept = [bytearray(os.urandom(4096) * 256) for _ in range(mebibytes)]
    time.sleep(0.3 if len(kept) == mebibytes else 0)  # long enough for a watcher's look


def processes(count: int) -> None:
    """Fork without waiting."""
    children = []
    try:
        for _ in range(count):
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
        time.sleep(0.3)  # long enough for a watcher's look
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


def files(mebibytes: int) -> None:
    """Fill the folder that TMPDIR names, or PENSTOCK_ATTACK_FOLDER, with files of one MiB."""
    folder = Path(os.environ.get("PENSTOCK_ATTACK_FOLDER") or os.environ["TMPDIR"])
    for number in range(mebibytes):
        (folder / f"bomb-{number}").write_bytes(os.urandom(_MIB))


def one_file(mebibytes: int) -> None:
    """Write one file larger than a file may be."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    folder = Path(os.environ.get("PENSTOCK_ATTACK_FOLDER") or os.environ["TMPDIR"])
    with open(folder / "bomb", "wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(_MIB))


BOMBS: dict[str, Callable[[int], None]] = {
    "memory": memory,
    "processes": processes,
    "files": files,
    "one-file": one_file,
}

if __name__ == "__main__":
    BOMBS[sys.argv[1]](int(sys.argv[2]))
