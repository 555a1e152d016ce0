"""What agents hand to each other: a source tree, answers with their full lists, files."""

import json
from pathlib import Path
from typing import Any

import msgspec

from penstock.agents import Invalid, context

Json = Any


class Refused(Invalid):
    """The input cannot be worked on, and a second attempt would not change that. The message says why."""


def log(message: str) -> None:
    context.log(message)


def source_folder(source: str) -> Path:
    """The folder that the input `source` names."""
    if not source:
        raise Refused("source: expected the path of a folder with a source tree")
    folder = Path(source)
    if not folder.is_dir():
        raise Refused(
            f"source: '{folder.name}' is not a folder; give the source tree as a directory artifact"
        )
    return folder.resolve()


def write_out(name: str, content: str) -> str:
    """Write a file that becomes an artifact; the path is what the output has to name."""
    path = context.out_folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8", newline="")
    return str(path)


def written(value: Json) -> str:
    """JSON for files that people read, too. Only a file's name that is no text needs the slow way."""
    try:
        return msgspec.json.format(msgspec.json.encode(value), indent=1).decode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=1)


def whole(part: Json) -> Json:
    """An earlier node's answer with its full lists: the file `details` if there is one, else what was inline.

    A skipped node's answer is {} and a failed one's may be null: both give {}.
    """
    details = part.get("details") if isinstance(part, dict) else None
    if not isinstance(details, str) or not Path(details).is_file():
        return part or {}
    return {**part, **json.loads(Path(details).read_text(encoding="utf-8"))}
