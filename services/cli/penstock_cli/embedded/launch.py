"""The last step before a child's own program: tie it to its parent's life, and take its privileges away.

Run as a script, `python -I -S launch.py PARENT_PID SIGNAL IDENTITY COMMAND…`, with nothing but the standard
library, so that it costs 12 ms. A `preexec_fn` would do the same, but is unsafe beside threads.

IDENTITY is one of
  keep          run as whoever starts it
  unprivileged  PostgreSQL refuses to run as root: become somebody else if we are root (see below)
  <number>      become this uid
"""

import ctypes
import os
import pwd
import sys

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


def main(arguments: list[str]) -> None:
    parent, signal_number, identity, *command = arguments
    if os.geteuid() == 0:
        _take_identity(identity)
    # Set last: a change of credentials clears it. The parent may be gone already, hence the second look.
    _check(_libc.prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != int(parent):
        sys.exit("launch: the parent ended before the child began")
    os.execv(command[0], command)


def _take_identity(identity: str) -> None:
    """Stop being root, in the way that leaves every path reachable that root can reach.

    In a user namespace the kernel still sees our uid, so that a checkout below /root (mode 0700) works; only
    the program sees another one. Where namespaces are forbidden (Docker's default), change the uid for real
    and keep one capability, the one to pass through such folders.
    """
    if identity == "keep":
        return
    if identity == "unprivileged":
        if _enter_user_namespace(_ordinary_uid()):
            return
        identity = str(_ordinary_uid())
    _change_uid(int(identity))


def _ordinary_uid() -> int:
    """A uid with an entry in the user database: initdb looks its name up."""
    return min((entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid > 0), default=65534)


def _enter_user_namespace(uid: int) -> bool:
    if _libc.unshare(_CLONE_NEWUSER) != 0:
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} 0 1"), ("gid_map", f"{uid} 0 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    return True


def _change_uid(uid: int) -> None:
    _check(_libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0), "prctl(PR_SET_KEEPCAPS)")
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    only = 1 << _CAP_DAC_OVERRIDE
    data = (ctypes.c_uint32 * 6)(only, only, only, 0, 0, 0)  # effective, permitted, inheritable; twice
    _check(_libc.capset(header, data), "capset")
    raised = _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)
    _check(raised, "prctl(PR_CAP_AMBIENT_RAISE)")


def _check(result: int, call: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{call}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main(sys.argv[1:])
