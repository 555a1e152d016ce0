"""Which licenses are allowed: SPDX expressions against a policy of lists, and exceptions for packages."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from fnmatch import fnmatchcase
from typing import Any

from expressions import parsed

ALLOWED_DEFAULT = (
    "0BSD", "Apache-2.0", "BlueOak-1.0.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "HPND",
    "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "NCSA", "PostgreSQL", "PSF-2.0", "Python-2.0",
    "Python-2.0.1", "Unicode-3.0", "Unlicense", "WTFPL", "Zlib",
)  # fmt: skip
STRONG = re.compile(r"^(A?GPL|SSPL|OSL|EUPL|CC-BY-(NC|SA)|BUSL|Elastic)")  # reaches the whole program

ALLOWED, REVIEW, DENIED, UNKNOWN = "allowed", "review", "denied", "unknown"
VERDICTS = (DENIED, REVIEW, UNKNOWN, ALLOWED)  # as people want to read them


class _Standing(IntEnum):
    """Of one license. The better is greater: OR picks the greatest, AND the least."""

    DENIED = 0
    REVIEW = 1
    ALLOWED = 2

    @property
    def verdict(self) -> str:
        return (DENIED, REVIEW, ALLOWED)[self]


@dataclass(frozen=True)
class PackageException:
    """A package that may stay, whatever its license (or under `license` only), until a day."""

    package: str
    reason: str
    expires: date
    license: str | None = None

    def covers(self, name: str, alternatives: Sequence[str]) -> bool:
        is_named = fnmatchcase(name.lower(), self.package.lower())
        licensed = self.license is None or any(self.license.lower() == text.lower() for text in alternatives)
        return is_named and licensed


@dataclass(frozen=True)
class Ruling:
    """What the policy says of one thing, with the exception that decided it or ended too early to."""

    verdict: str
    exception: PackageException | None = None
    has_expired: bool = False


@dataclass(frozen=True)
class Policy:
    """Lists of SPDX identifiers in lower case, with `*`. What no list names stands as `default` says."""

    allow: tuple[str, ...]
    review: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    default: str = DENIED
    exceptions: tuple[PackageException, ...] = ()
    origin: str = "default"

    def ruling(self, name: str, alternatives: Sequence[str], *, today: date) -> Ruling:
        verdict = self.verdict(alternatives)
        if verdict == ALLOWED:
            return Ruling(verdict)
        covering = [one for one in self.exceptions if one.covers(name, alternatives)]
        valid = next((one for one in covering if today <= one.expires), None)
        if valid:
            return Ruling(ALLOWED, valid)
        return Ruling(verdict, covering[0] if covering else None, has_expired=bool(covering))

    def verdict(self, alternatives: Sequence[str]) -> str:
        """The verdict on a license that can be read as each of `alternatives`, SPDX expressions.

        Where the readings differ, or there is none, nobody can know.
        """
        verdicts = {self._expression(text) for text in alternatives} or {UNKNOWN}
        return verdicts.pop() if len(verdicts) == 1 else UNKNOWN

    def _expression(self, text: str) -> str:
        tree = parsed(text)
        return UNKNOWN if tree is None else self._standing(tree).verdict

    def _standing(self, tree: Any) -> _Standing:
        parts = getattr(tree, "args", ())
        if parts:
            combine = max if tree.operator.strip() == "OR" else min
            return combine(self._standing(part) for part in parts)
        return self._of_license(tree)

    def _of_license(self, tree: Any) -> _Standing:
        """By an entry of its own, then by a pattern. An exception (`WITH`) only adds permissions to its license:

        so `GPL-2.0-only WITH Classpath-exception-2.0` may go by its own entry, else by that of `GPL-2.0-only`.
        """
        written = str(tree.render()).lower()
        plain = str(getattr(tree, "license_symbol", tree).key).lower()
        for name in dict.fromkeys((written, plain, plain.removesuffix("+"))):
            for is_exact in (True, False):
                standing = self._listed(name, is_exact=is_exact)
                if standing is not None:
                    return standing
        return _Standing((DENIED, REVIEW, ALLOWED).index(self.default))

    def _listed(self, name: str, *, is_exact: bool) -> _Standing | None:
        lists = (
            (_Standing.DENIED, self.deny),
            (_Standing.REVIEW, self.review),
            (_Standing.ALLOWED, self.allow),
        )
        for standing, listed in lists:
            if name in listed if is_exact else any(fnmatchcase(name, pattern) for pattern in listed):
                return standing
        return None
