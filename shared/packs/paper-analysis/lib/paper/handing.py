"""Files from node to node: each node gives its successor all that the rest of the chain needs, as P2 draws it.

A path below the out folder becomes an artifact. A file that came in is given on as a copy; the store knows it by its
content, so that it is kept once.
"""

import json
import shutil
from contextlib import suppress
from pathlib import Path

from penstock.agents import Invalid, context

_CHECKPOINT_BYTES_MAX = 240 * 1024  # the runner takes 256 KiB


def out(name: str) -> Path:
    return context.out_folder / name


def hand_on(came: str) -> str:
    """The file `came` for the next node."""
    target = out(Path(came).name)
    with suppress(shutil.SameFileError):  # without a runner, all nodes may have one out folder
        shutil.copyfile(came, target)
    return str(target)


def keep(state: object) -> None:
    """Save a checkpoint if it fits. One that does not is done without: then another attempt does more again."""
    if len(json.dumps(state)) < _CHECKPOINT_BYTES_MAX:
        context.checkpoint.save(state)


def file_in(part: dict[str, object], key: str, *, of: str) -> Path:
    """The file that an earlier node's answer names under `key`."""
    said = part.get(key)
    if not isinstance(said, str) or not Path(said).is_file():
        raise Invalid(f"{key}: expected the file of {of}; give that node's whole output")
    return Path(said)
