"""Advisories as osv.dev publishes them: which versions of a package one affects, and which version is free of it.

Source: the OSV schema (https://ossf.github.io/osv-schema/), "Evaluation". Git ranges are left out: a release
has no commit to compare.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from packaging.utils import canonicalize_name
from univers.versions import GolangVersion, InvalidVersion, PypiVersion, SemverVersion, Version

# OSV's names of the ecosystems whose lock files can be read, and how their versions are ordered.
ORDERS: dict[str, type[Version]] = {
    "PyPI": PypiVersion,
    "npm": SemverVersion,
    "crates.io": SemverVersion,
    "Go": GolangVersion,
}


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of the four. `introduced: "0"` is before every version."""

    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None
    limit: str | None = None

    @property
    def version(self) -> str:
        return self.introduced or self.fixed or self.last_affected or ""


class Range(msgspec.Struct, frozen=True, omit_defaults=True):
    type: str = ""
    events: tuple[Event, ...] | None = None


class Package(msgspec.Struct, frozen=True):
    ecosystem: str = ""
    name: str = ""


class Rating(msgspec.Struct, frozen=True):
    """A CVSS vector and its version: CVSS_V2, CVSS_V3, CVSS_V4."""

    type: str = ""
    score: str = ""


class Affected(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an advisory says of one package. Absent lists come as null, too."""

    package: Package | None = None
    ranges: tuple[Range, ...] | None = None
    versions: tuple[str, ...] | None = None
    severity: tuple[Rating, ...] | None = None
    ecosystem_specific: Any = None
    database_specific: Any = None


class Advisory(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str
    modified: str = ""
    withdrawn: str | None = None
    aliases: tuple[str, ...] | None = None
    summary: str | None = None
    details: str | None = None
    severity: tuple[Rating, ...] | None = None
    affected: tuple[Affected, ...] | None = None
    database_specific: Any = None

    def names(self) -> frozenset[str]:
        return frozenset((self.id, *(self.aliases or ())))

    def about(self, key: tuple[str, str]) -> list[Affected]:
        """What it says of the package with that key."""
        return [part for part in self.affected or () if part.package and key_of(part.package) == key]


def key_of(package: Package) -> tuple[str, str]:
    """Ecosystem and name, written as everybody writes them. "PyPI:…" is PyPI, too."""
    ecosystem = package.ecosystem.partition(":")[0]
    return ecosystem, canonicalize_name(package.name) if ecosystem == "PyPI" else package.name


@lru_cache(maxsize=20_000)
def ordered(ecosystem: str, version: str) -> Version | None:
    """The version as what can be compared, or None if it is none.

    What a build adds after "+" counts nowhere: torch 2.0.0+cu118 is 2.0.0, and as affected.
    """
    try:
        return ORDERS[ecosystem](version.partition("+")[0])
    except (InvalidVersion, ValueError, TypeError):
        return None


def is_affected(parts: Iterable[Affected], *, ecosystem: str, version: str) -> bool:
    """Whether a version, which can be compared, is in any of the lists and ranges."""
    return any(
        _is_listed(part.versions or (), ecosystem, version)
        or any(_is_inside(events, ecosystem, version) for events in _ranges(part))
        for part in parts
    )


def fixes(parts: Iterable[Affected], *, ecosystem: str) -> list[str]:
    """The versions with which the problem ended, in some line of releases."""
    events = (event for part in parts for events in _ranges(part) for event in events)
    return [event.fixed for event in events if event.fixed and ordered(ecosystem, event.fixed)]


def upgrade(advisories: Sequence[Sequence[Affected]], *, ecosystem: str, version: str) -> str | None:
    """The lowest later version that a fix names and that none of the package's advisories affects."""
    here = ordered(ecosystem, version)
    named = {fixed for parts in advisories for fixed in fixes(parts, ecosystem=ecosystem)}
    known = ((fixed, ordered(ecosystem, fixed)) for fixed in named)
    later = [
        (place, fixed) for fixed, place in known if here is not None and place is not None and here < place
    ]
    for _, candidate in sorted(later, key=lambda pair: pair[0]):
        if not any(is_affected(parts, ecosystem=ecosystem, version=candidate) for parts in advisories):
            return candidate
    return None


def _ranges(part: Affected) -> list[tuple[Event, ...]]:
    return [found.events for found in part.ranges or () if found.type != "GIT" and found.events]


def _is_listed(versions: Sequence[str], ecosystem: str, version: str) -> bool:
    """1.0 and 1.0.0 are one version of PyPI, 1.0.0 and v1.0.0 one of Go."""
    here = ordered(ecosystem, version)
    return version in versions or (
        here is not None and any(ordered(ecosystem, listed) == here for listed in versions)
    )


def _is_inside(events: Sequence[Event], ecosystem: str, version: str) -> bool:
    """Whether the last event up to the version leaves it affected."""
    here = ordered(ecosystem, version)
    inside = False
    for event in sorted(events, key=lambda event: _Place(ecosystem, event)):
        there = _Place(ecosystem, event)
        if event.introduced is not None and not there.is_after(here):
            inside = True
        elif (event.fixed is not None and not there.is_after(here)) or (
            event.last_affected is not None and there.is_before(here)
        ):
            inside = False
    return inside


class _Place:
    """Where an event stands among versions. What cannot be compared stands at the end, and so decides nothing."""

    def __init__(self, ecosystem: str, event: Event) -> None:
        self.is_begin = event.introduced == "0"
        self.version = None if self.is_begin else ordered(ecosystem, event.version)

    def __lt__(self, other: "_Place") -> bool:
        if self.is_begin or other.is_begin:
            return self.is_begin and not other.is_begin
        if self.version is None or other.version is None:
            return self.version is not None
        return bool(self.version < other.version)

    def is_after(self, version: Version | None) -> bool:
        return not self.is_begin and (self.version is None or version is None or self.version > version)

    def is_before(self, version: Version | None) -> bool:
        return self.is_begin or (self.version is not None and version is not None and self.version < version)
