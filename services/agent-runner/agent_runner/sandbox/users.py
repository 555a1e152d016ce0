"""Who an agent is on the host: a uid that nobody else has, where we may give one, and its environment."""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from penstock.contracts.errors import InvalidInput

SLOTS_MAX = 4096  # uids of one runner: of its slots, and of workers that outlive an attempt

UID_FIRST = 1_879_048_192  # the range that systemd's list of uids leaves unused, up to 2^31
UIDS = 2**28
PATH = "/usr/local/bin:/usr/bin:/bin"

# Would act on the tools that build the sandbox, before they have given up their rights.
_UNSAFE_VARIABLE = re.compile(r"LD_.*|GLIBC_.*|GCONV_PATH|LOCPATH|NLSPATH|BASH_.*|ENV|SHELLOPTS|IFS")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def checked_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The same variables, or InvalidInput for a name that could subvert the set-up."""
    for name in environment:
        if not _VARIABLE.fullmatch(name) or _UNSAFE_VARIABLE.fullmatch(name):
            raise InvalidInput.at(f"environment.{name}", "not a variable that a sandbox may be given")
    return dict(environment)


def uid_block() -> int:
    """The uid of this runner's slot 0. Runners on one machine get different blocks, most likely."""
    return UID_FIRST + os.getpid() * SLOTS_MAX % UIDS


def uid_of(slot: int, *, first: int) -> int:
    """The uid of a slot. Two sandboxes at once must never share one: a limit or a kill goes by it."""
    if not 0 <= slot < SLOTS_MAX:
        raise InvalidInput.at("slot", f"{slot} is out of range, expected 0 to {SLOTS_MAX - 1}")
    return first + slot


def ensure_folder(folder: Path, *, mode: int) -> None:
    """Make the folder if it is missing, with at least these rights: its owner may have given more."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(stat.S_IMODE(folder.stat().st_mode) | mode)


def drops_from_root() -> bool:
    """Whether this runner is root and may become any uid.

    In a container with mapped users root is a user of the host, and other uids may not exist.
    """
    if os.geteuid() != 0:
        return False
    with open("/proc/self/uid_map") as file:
        rows = [tuple(map(int, line.split())) for line in file]
    return any(first <= UID_FIRST and first + length >= UID_FIRST + UIDS for first, _, length in rows)
