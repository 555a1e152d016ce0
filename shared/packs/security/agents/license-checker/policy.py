"""Which licenses are allowed: SPDX expressions against an allow-list."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from filter import Refused
from license_expression import ExpressionError, get_spdx_licensing

ALLOWED_DEFAULT = (
    "0BSD", "Apache-2.0", "BlueOak-1.0.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "HPND",
    "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "NCSA", "PostgreSQL", "PSF-2.0", "Python-2.0",
    "Python-2.0.1", "Unicode-3.0", "Unlicense", "WTFPL", "Zlib",
)  # fmt: skip
STRONG = re.compile(r"^(A?GPL|SSPL|OSL|EUPL|CC-BY-(NC|SA)|BUSL|Elastic)")  # reaches the whole program

ALLOWED, DENIED, UNKNOWN = "allowed", "denied", "unknown"

# What metadata says in words. Two ids: the words leave open which.
_WORDS = {
    "mit": ("MIT",), "mit license": ("MIT",), "the mit license": ("MIT",), "expat": ("MIT",),
    "apache 2": ("Apache-2.0",), "apache 2.0": ("Apache-2.0",), "apache license 2.0": ("Apache-2.0",),
    "apache license, version 2.0": ("Apache-2.0",), "apache software license": ("Apache-2.0",),
    "apache software license 2.0": ("Apache-2.0",), "apache-2": ("Apache-2.0",),
    "bsd": ("BSD-2-Clause", "BSD-3-Clause"), "bsd license": ("BSD-2-Clause", "BSD-3-Clause"),
    "new bsd license": ("BSD-3-Clause",), "modified bsd license": ("BSD-3-Clause",),
    "3-clause bsd license": ("BSD-3-Clause",), "bsd 3-clause": ("BSD-3-Clause",),
    "bsd 3-clause license": ("BSD-3-Clause",), "simplified bsd": ("BSD-2-Clause",),
    "isc license": ("ISC",), "isc license (iscl)": ("ISC",), "psf": ("PSF-2.0",),
    "python software foundation license": ("PSF-2.0",), "the unlicense (unlicense)": ("Unlicense",),
    "mozilla public license 2.0 (mpl 2.0)": ("MPL-2.0",), "mpl 2.0": ("MPL-2.0",),
    "zlib/libpng license": ("Zlib",),
    "gnu general public license v2 (gplv2)": ("GPL-2.0-only",), "gplv2": ("GPL-2.0-only",),
    "gnu general public license v2 or later (gplv2+)": ("GPL-2.0-or-later",),
    "gnu general public license v3 (gplv3)": ("GPL-3.0-only",), "gplv3": ("GPL-3.0-only",),
    "gnu general public license v3 or later (gplv3+)": ("GPL-3.0-or-later",),
    "gnu general public license (gpl)": ("GPL-2.0-only", "GPL-3.0-only"),
    "gpl": ("GPL-2.0-only", "GPL-3.0-only"),
    "lgpl": ("LGPL-2.1-only", "LGPL-3.0-only"),
    "gnu lesser general public license v2 (lgplv2)": ("LGPL-2.0-only",), "lgplv2.1": ("LGPL-2.1-only",),
    "gnu lesser general public license v2 or later (lgplv2+)": ("LGPL-2.0-or-later",),
    "gnu lesser general public license v3 (lgplv3)": ("LGPL-3.0-only",),
    "gnu lesser general public license v3 or later (lgplv3+)": ("LGPL-3.0-or-later",),
    "gnu library or lesser general public license (lgpl)": ("LGPL-2.1-only", "LGPL-3.0-only"),
    "gnu affero general public license v3": ("AGPL-3.0-only",),
    "gnu affero general public license v3 or later (agplv3+)": ("AGPL-3.0-or-later",),
}  # fmt: skip


@dataclass(frozen=True)
class Policy:
    """The allowed licenses, in lower case."""

    allowed: frozenset[str]

    def verdict(self, alternatives: Sequence[str]) -> str:
        """The verdict on a license that can be read as each of `alternatives`, SPDX expressions.

        All readings allowed: allowed. None: denied. Otherwise, or with no reading at all, nobody can know.
        """
        verdicts = {self._expression(text) for text in alternatives} or {None}
        if verdicts == {True}:
            return ALLOWED
        return DENIED if verdicts == {False} else UNKNOWN

    def _expression(self, text: str) -> bool | None:
        tree = parsed(text)
        return None if tree is None else self._holds(tree)

    def _holds(self, tree: Any) -> bool:
        """OR needs one side, AND both. An exception (`WITH`) only adds permissions to its license."""
        parts = getattr(tree, "args", ())
        if parts:
            combine: Callable[[list[bool]], bool] = any if tree.operator.strip() == "OR" else all
            return combine([self._holds(part) for part in parts])
        plain = getattr(tree, "license_symbol", tree)
        return bool({str(tree.render()).lower(), str(plain.key).lower()} & self.allowed)


def policy_of(allowed: Sequence[str] | None) -> Policy:
    """The policy of the input's list; a misspelled id is refused, since it would deny in silence."""
    names = list(allowed) if allowed else list(ALLOWED_DEFAULT)
    wrong = [name for name in names if not name.startswith("LicenseRef-") and parsed(name) is None]
    if wrong:
        raise Refused(f"allowed_licenses: expected SPDX identifiers, and these are none: {', '.join(wrong)}")
    return Policy(allowed=frozenset(name.lower() for name in names))


@cache
def parsed(text: str) -> Any:
    """The expression as a tree, or None if it is not one of SPDX identifiers."""
    try:
        return get_spdx_licensing().parse(text, validate=True)
    except (ExpressionError, ValueError, TypeError):
        return None


def readings(text: str) -> tuple[str, ...]:
    """What a license field can mean, as SPDX expressions; nothing if it cannot be read."""
    clean = " ".join(text.split()).strip("\"'")
    if not clean or len(clean) > 200:
        return ()
    tree = parsed(clean)
    return (str(tree.render()),) if tree is not None else _WORDS.get(clean.lower(), ())
