"""Several databases tell of one vulnerability under names of their own: each becomes one, with all its names."""

from collections.abc import Sequence
from dataclasses import dataclass

from guard.advisories import Advisory, Affected

# Whose name people look for first.
_PREFERRED = ("CVE-", "GHSA-", "PYSEC-", "RUSTSEC-", "GO-")


@dataclass(frozen=True)
class Vulnerability:
    """`advisories` all speak of it."""

    id: str
    aliases: tuple[str, ...]
    advisories: tuple[Advisory, ...]

    def about(self, key: tuple[str, str]) -> list[Affected]:
        """All that is said of the package with that key."""
        return [part for advisory in self.advisories for part in advisory.about(key)]

    @property
    def summary(self) -> str:
        said = next((one.summary for one in self.advisories if one.summary), None)
        details = next((one.details for one in self.advisories if one.details), "")
        return (said or details.strip().split("\n")[0])[:200] or "no description"


def merged(advisories: Sequence[Advisory]) -> list[Vulnerability]:
    """Advisories that share a name are one vulnerability, also through a third."""
    groups: list[list[Advisory]] = []
    for advisory in advisories:
        related = [group for group in groups if any(one.names() & advisory.names() for one in group)]
        groups = [group for group in groups if not any(group is one for one in related)]
        groups.append([*(one for group in related for one in group), advisory])
    return sorted((_vulnerability(group) for group in groups), key=lambda found: found.id)


def _vulnerability(group: Sequence[Advisory]) -> Vulnerability:
    names = sorted({name for advisory in group for name in advisory.names()}, key=_rank)
    return Vulnerability(names[0], tuple(names[1:]), tuple(sorted(group, key=lambda one: _rank(one.id))))


def _rank(name: str) -> tuple[int, str]:
    known = (number for number, prefix in enumerate(_PREFERRED) if name.startswith(prefix))
    return next(known, len(_PREFERRED)), name
