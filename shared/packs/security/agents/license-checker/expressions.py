"""What a license field means, as SPDX expressions: they are parsed, and the words of old metadata are looked up."""

import re
from functools import cache
from typing import Any

from license_expression import ExpressionError, get_spdx_licensing

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

_REFERENCE = re.compile(r"^(DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+$", re.IGNORECASE)

_SPDX = get_spdx_licensing()


@cache
def parsed(text: str) -> Any:
    """The expression as a tree, or None if it is not one of SPDX identifiers."""
    try:
        tree = _SPDX.parse(text, strict=True)
        unknown = [] if tree is None else _SPDX.unknown_license_keys(tree)
    except (ExpressionError, ValueError, TypeError, RecursionError):
        return None
    return tree if all(_is_allowed(key) for key in unknown) else None


def _is_allowed(key: str) -> bool:
    """SPDX knows more than its list: references of a project's own, and `+` after any license of the list."""
    return _REFERENCE.match(key) is not None or (
        key.endswith("+") and key.removesuffix("+") in _SPDX.known_symbols
    )


def readings(text: str) -> tuple[str, ...]:
    """What a license field can mean, as SPDX expressions; nothing if it cannot be read."""
    clean = " ".join(text.split()).strip("\"'")
    if not clean or len(clean) > 200:
        return ()
    tree = parsed(clean)
    return (str(tree.render()),) if tree is not None else _WORDS.get(clean.lower(), ())


parsed("MIT")  # builds the tables: once in a worker, and no more in its forks
