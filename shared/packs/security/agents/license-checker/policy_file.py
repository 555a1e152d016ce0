"""The policy of a run: from its input, else from a file in the tree, else the usual permissive licenses.

allow: [MIT, Apache-2.0, "BSD-*"]
review: [MPL-2.0, "LGPL-*"]        # a person has to look
deny: ["AGPL-*"]
default: deny                      # of a license in no list: deny, review or allow
exceptions:
  - package: copyleft-chart
    license: GPL-3.0-only          # if left out: whatever its license
    reason: Only draws the documentation
    expires: 2027-03-31
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from expressions import parsed
from guard.handover import Refused
from policy import ALLOWED, ALLOWED_DEFAULT, DENIED, REVIEW, PackageException, Policy

FILES = ("license-policy.yaml", ".license-policy.yaml", "license-policy.yml", ".license-policy.yml")
FILE_BYTES_MAX = 256 * 1024

_KEYS = ("allow", "review", "deny", "default", "exceptions")
_EXCEPTION_KEYS = ("package", "license", "reason", "expires")
_DEFAULTS = {"deny": DENIED, "review": REVIEW, "allow": ALLOWED}


def policy_of(allowed: Sequence[str] | None, *, given: str | None, root: Path) -> Policy:
    """`allowed` is the input's list, `given` the path of its policy file."""
    if given and allowed:
        raise Refused("policy: give either a policy or a list of allowed licenses, not both")
    if given:
        return _read(Path(given), origin="the input")
    if allowed:
        return Policy(
            allow=_names({"allow": list(allowed)}, "allow", where="allowed_licenses"), origin="the input"
        )
    in_tree = next((root / name for name in FILES if (root / name).is_file()), None)
    if in_tree is not None and not in_tree.is_symlink():
        return _read(in_tree, origin=in_tree.name)
    return Policy(allow=tuple(name.lower() for name in ALLOWED_DEFAULT))


def _read(path: Path, *, origin: str) -> Policy:
    if not path.is_file() or path.stat().st_size > FILE_BYTES_MAX:
        raise Refused(f"policy: expected a YAML file of at most 256 KiB, got '{path.name}'")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Refused(f"{path.name}: no valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise Refused(f"{path.name}: expected a mapping with {', '.join(_KEYS)}")
    return _policy(document, where=path.name, origin=origin)


def _policy(document: Mapping[str, Any], *, where: str, origin: str) -> Policy:
    _refuse_unknown(document, _KEYS, where=where)
    default = document.get("default", "deny")
    if not isinstance(default, str) or default not in _DEFAULTS:
        raise Refused(f"{where}: default: expected deny, review or allow, got '{default}'")
    exceptions = document.get("exceptions") or []
    if not isinstance(exceptions, list):
        raise Refused(f"{where}: exceptions: expected a list")
    return Policy(
        allow=_names(document, "allow", where=where),
        review=_names(document, "review", where=where),
        deny=_names(document, "deny", where=where),
        default=_DEFAULTS[default],
        exceptions=tuple(_exception(one, f"{where}: exceptions[{n}]") for n, one in enumerate(exceptions)),
        origin=origin,
    )


def _names(document: Mapping[str, Any], key: str, *, where: str) -> tuple[str, ...]:
    """The identifiers of a list, in lower case. A misspelled one is refused: it would decide in silence."""
    names = document.get(key) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Refused(f"{where}: {key}: expected a list of SPDX identifiers")
    wrong = [name for name in names if not _is_known(name)]
    if wrong:
        place = where if where == "allowed_licenses" else f"{where}: {key}"
        raise Refused(f"{place}: expected SPDX identifiers, and these are none: {', '.join(wrong)}")
    return tuple(_canonical(name).lower() for name in names)


def _is_known(name: str) -> bool:
    return "*" in name or parsed(name) is not None


def _canonical(name: str) -> str:
    """As expressions write it: GPL-3.0 is an old name of GPL-3.0-only."""
    return name if "*" in name else str(parsed(name).render())


def _exception(one: Any, where: str) -> PackageException:
    if not isinstance(one, dict):
        raise Refused(f"{where}: expected a mapping with {', '.join(_EXCEPTION_KEYS)}")
    _refuse_unknown(one, _EXCEPTION_KEYS, where=where)
    for key in ("package", "reason"):
        if not isinstance(one.get(key), str) or not one[key].strip():
            raise Refused(f"{where}: {key}: expected text; an exception says for what and why")
    licensed = one.get("license")
    if licensed is not None and (not isinstance(licensed, str) or parsed(licensed) is None):
        raise Refused(f"{where}: license: expected an SPDX expression, such as GPL-3.0-only")
    if not isinstance(one.get("expires"), date) or isinstance(one["expires"], datetime):
        raise Refused(
            f"{where}: expires: expected a day such as 2027-03-31; what holds for ever belongs into allow"
        )
    return PackageException(
        package=one["package"],
        reason=one["reason"],
        expires=one["expires"],
        license=licensed and _canonical(licensed),
    )


def _refuse_unknown(document: Mapping[str, Any], known: Sequence[str], *, where: str) -> None:
    for key in document:
        if key not in known:
            near = get_close_matches(str(key), known, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else f"; there are {', '.join(known)}"
            raise Refused(f"{where}: unknown key '{key}'{hint}")
