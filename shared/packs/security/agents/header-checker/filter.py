"""An agent as a Unix filter: JSON in, JSON out, the log on stderr. Each agent of the pack has a copy."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Json = Any


class Refused(Exception):
    """The input cannot be worked on, and a second attempt would not change that. The message says why."""


def serve(work: Callable[[Json], Json]) -> None:
    """Answer the request on stdin. What libraries print meanwhile goes to the log, never into the answer."""
    started = time.monotonic()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            answer = work(json.load(sys.stdin))
    except Refused as refusal:
        json.dump({"error": {"type": "Refused", "message": str(refusal), "retryable": False}}, sys.stdout)
        sys.exit(1)
    log(f"done in {time.monotonic() - started:.1f} s")
    json.dump(answer, sys.stdout)


def log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def source_folder(request: Json) -> Path:
    """The folder that `source` names."""
    source = request.get("source")
    if not isinstance(source, str) or not source:
        raise Refused("source: expected the path of a folder with a source tree")
    folder = Path(source)
    if not folder.is_dir():
        raise Refused(
            f"source: '{folder.name}' is not a folder; give the source tree as a directory artifact"
        )
    return folder.resolve()


def write_out(name: str, content: str) -> str:
    """Write a file that becomes an artifact; the path is what the output has to name."""
    folder = Path(os.environ.get("PENSTOCK_OUT", "/out"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(content, encoding="utf-8", newline="")
    return str(path)


def whole(part: Json) -> Json:
    """An earlier node's answer with its full lists: the file `details` if there is one, else what was inline.

    A skipped node's answer is {} and a failed one's may be null: both give {}.
    """
    details = part.get("details") if isinstance(part, dict) else None
    if not isinstance(details, str) or not Path(details).is_file():
        return part or {}
    return {**part, **json.loads(Path(details).read_text(encoding="utf-8"))}
