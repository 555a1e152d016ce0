"""docker-compose.yml as data: with its merges done and its variables at their defaults."""

import re
from typing import Any

import yaml

from tests.stack import ROOT

FILE = ROOT / "docker-compose.yml"


def interpolated(**variables: str) -> str:
    """The text as Compose reads it: `${NAME:-default}`."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda m: variables.get(m[1], m[2]), FILE.read_text())


def document() -> dict[str, Any]:
    return yaml.safe_load(interpolated())


COMPOSE = document()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def mounts(service: dict[str, Any]) -> list[tuple[str, str]]:
    """(from, to) of each volume of a service."""
    return [(parts[0], parts[1]) for parts in (each.split(":") for each in service.get("volumes", ()))]
