"""The notifier's configuration file: YAML with the sections below. Each part of the notifier reads its own."""

from pathlib import Path
from typing import Any

import yaml

from penstock.contracts.errors import InvalidInput, Problem
from penstock.contracts.limits import MIB
from penstock.contracts.names import did_you_mean

ALERTMANAGERS = "alertmanagers"  # who may send alerts, and what alerts may do
SUBSCRIPTIONS = "subscriptions"  # who is told of which events, and how
SECTIONS = (ALERTMANAGERS, SUBSCRIPTIONS)

CONFIG_BYTES_MAX = MIB


def read_config(file: Path | None) -> dict[str, Any]:
    """Section → what stands there, not checked further; without a file, nothing. Raises InvalidInput."""
    if file is None:
        return {}
    document = _document(file)
    unknown = [name for name in document if name not in SECTIONS]
    if unknown:
        raise InvalidInput(
            f"{file}: unknown section",
            tuple(Problem(str(name), f"unknown key{did_you_mean(str(name), SECTIONS)}") for name in unknown),
        )
    return document


def _document(file: Path) -> dict[str, Any]:
    try:
        text = file.read_bytes()
    except OSError as error:
        raise InvalidInput.at("config_file", f"{file} cannot be read: {error.strerror}") from error
    if len(text) > CONFIG_BYTES_MAX:
        raise InvalidInput.at("config_file", f"{file} has {len(text)} bytes; at most {CONFIG_BYTES_MAX}")
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidInput.at("config_file", f"{file} is not YAML{_where(error)}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InvalidInput.at("config_file", f"{file}: expected sections {', '.join(SECTIONS)}")
    return document


def _where(error: yaml.YAMLError) -> str:
    """What is wrong and in which line, without the line itself: a secret may stand there."""
    mark = getattr(error, "problem_mark", None)
    place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    return f"{place}: {getattr(error, 'problem', None) or 'it cannot be read'}"
