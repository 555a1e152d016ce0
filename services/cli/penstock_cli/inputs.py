"""A run's input from `-i key=value` and `-i key=@path`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from penstock.contracts.names import did_you_mean, nearest
from penstock_cli.api import Api
from penstock_cli.artifacts import upload
from penstock_cli.errors import CommandError


def read_inputs(api: Api, pairs: Sequence[str], schema: Any, *, option: str = "-i") -> dict[str, Any]:
    """The object that `pairs` spell. `schema` is the workflow's, or None; it says what a text means.

    Uploads happen last, so that a wrong pair is told before a gigabyte is sent.
    """
    parts = [_split(pair, option) for pair in pairs]
    _refuse_unknown([key for key, _ in parts], schema, option)
    return {key: _value(api, text, _type_of(schema, key)) for key, text in parts}


def _split(pair: str, option: str) -> tuple[str, str]:
    key, separator, text = pair.partition("=")
    if not separator or not key:
        raise CommandError(f"{option} {pair}: expected key=value or key=@path")
    if text.startswith("@") and not text.startswith("@@") and not Path(text[1:]).exists():
        advice = "write @@ for a value that begins with @"
        raise CommandError(f"{option} {pair}: there is no file or folder {text[1:] or '(nothing)'}; {advice}")
    return key, text


def _refuse_unknown(keys: Sequence[str], schema: Any, option: str) -> None:
    """A key that the schema forbids, or that was meant to be a required one: said before anything is sent."""
    known = _properties(schema)
    closed = isinstance(schema, dict) and schema.get("additionalProperties") is False
    required = schema.get("required", ()) if isinstance(schema, dict) else ()
    missing = [name for name in required if name not in keys]
    for key in keys:
        if key not in known and (closed or nearest(key, missing)):
            names = ", ".join(known) or "none"
            raise CommandError(f"{option} {key}: no such input{did_you_mean(key, known)} (inputs: {names})")


def _value(api: Api, text: str, kind: Any) -> Any:
    if text.startswith("@@"):
        return text[1:]
    if text.startswith("@"):
        return str(upload(api, Path(text[1:])))
    if kind == "string":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text  # the schema, checked by the orchestrator, says whether a text will do


def _type_of(schema: Any, key: str) -> Any:
    described = _properties(schema).get(key)
    return described.get("type") if isinstance(described, dict) else None


def _properties(schema: Any) -> dict[str, Any]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return properties if isinstance(properties, dict) else {}
