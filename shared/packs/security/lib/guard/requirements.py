"""The lines of a requirements file of pip."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement

_FILE = re.compile(r"^(.*[-_.])?(requirements.*\.(txt|in)|constraints.*\.txt)$")
_BESIDE = re.compile(r"(^|\s)#.*|\s+--hash=\S+|\\$")  # comments, hashes, and what joins lines


@dataclass(frozen=True)
class Line:
    """A requirement at its 1-based line."""

    number: int
    wanted: Requirement

    @property
    def version(self) -> str | None:
        """The one version that it allows, or None."""
        for specifier in self.wanted.specifier:
            if specifier.operator in ("==", "===") and not specifier.version.endswith(".*"):
                return specifier.version
        return None


def is_mine(name: str) -> bool:
    return _FILE.match(PurePosixPath(name).name) is not None


def lines(text: str, *, unread: list[tuple[int, str]] | None = None) -> Iterator[Line]:
    """The requirements; options are left out. What nobody can read goes into `unread`, with its number."""
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        clean = _BESIDE.sub("", line).strip()
        if not clean or clean.startswith("-"):
            continue
        try:
            yield Line(number, Requirement(clean))
        except InvalidRequirement:
            if unread is not None:
                unread.append((number, clean))
