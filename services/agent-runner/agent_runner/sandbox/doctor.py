"""What this machine can enforce, tier by tier, and how to get more: for `penstock doctor`."""

import asyncio
import os
import platform
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent_runner.sandbox import landlock, seccomp
from agent_runner.sandbox.cgroup import Cgroups, detect
from agent_runner.sandbox.port import Tier
from agent_runner.sandbox.probe import Report, probe
from agent_runner.sandbox.users import drops_from_root

_TRIAL_DEADLINE_S = 5.0
_TOOLS = ("/usr/bin/setpriv", "/usr/bin/prlimit", "/bin/sh")
_ABI_FOR_SIGNALS = 6  # Linux 6.12: confines signals and abstract sockets

# Settings that forbid user namespaces to a runner that is not root: file, forbidding value, remedy.
_FORBIDDING = (
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=16384"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "Ubuntu 23.10 and newer: an AppArmor profile for /usr/bin/bwrap with `userns,`, or"
        " sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)
_CONTAINER_REMEDY = (
    "Docker: --security-opt seccomp=unconfined --security-opt apparmor=unconfined --cap-add SYS_ADMIN"
    " (our own filter confines agents), or tier landlock"
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `hint` says how to get more where `ok` is false."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


async def examine() -> tuple[Finding, ...]:
    """Look at everything and try each tier; takes about a second."""
    reports = [await probe(tier) for tier in (Tier.BWRAP, Tier.LANDLOCK)]
    return (*_facts(), await _namespaces(), *(_of_tier(report) for report in reports))


def text(findings: tuple[Finding, ...]) -> str:
    """The findings for a person, one line each and one for each hint."""
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{'✓' if finding.ok else '✗'} {finding.name}: {finding.detail}")
        lines.extend(f"    {line}" for line in finding.hint.splitlines() if not finding.ok)
    return "\n".join(lines)


def _facts() -> Iterator[Finding]:
    container = _container()
    yield Finding("machine", True, f"Linux {platform.release()}, {platform.machine()}{container}")
    yield _user()
    yield _bubblewrap()
    missing = [tool for tool in _TOOLS if not os.access(tool, os.X_OK)]
    detail = f"missing: {', '.join(missing)}" if missing else "present"
    yield Finding("set-up tools", not missing, detail, "install util-linux (not BusyBox's versions)")
    yield _seccomp()
    yield _cgroups()
    yield _landlock()


def _user() -> Finding:
    if drops_from_root():
        return Finding("user", True, "the runner is root and gives each slot a uid of its own")
    detail = f"the runner is uid {os.geteuid()}; agents get a user namespace"
    return Finding("user", True, detail)


def _bubblewrap() -> Finding:
    path = shutil.which("bwrap")
    hint = "Debian, Ubuntu: apt-get install bubblewrap; Fedora: dnf install bubblewrap"
    return Finding("bubblewrap", path is not None, path or "not installed", hint)


def _seccomp() -> Finding:
    try:
        size = len(seccomp.program(seccomp.Filter(internet_sockets=True, memory_files=True))) // 8
    except OSError as error:
        return Finding("seccomp filter", False, str(error), "use a machine with one of these")
    return Finding("seccomp filter", True, f"{size} instructions")


def _cgroups() -> Finding:
    groups = detect()
    if isinstance(groups, Cgroups):
        return Finding("control groups", True, f"version {groups.version}, memory and processes")
    hint = (
        "without them memory is watched, not limited. systemd: Delegate=yes in the runner's unit, or"
        " `systemd-run --user --scope -p Delegate=yes …`;\nDocker: --cgroupns=private and a writable"
        " /sys/fs/cgroup"
    )
    return Finding("control groups", False, groups.reason, hint)


def _landlock() -> Finding:
    version = landlock.abi()
    hint = "Linux 5.13 or newer with landlock in lsm=; 6.12 or newer to confine signals as well"
    detail = f"ABI {version}" if version else "not available"
    return Finding("Landlock", version >= _ABI_FOR_SIGNALS, detail, hint)


async def _namespaces() -> Finding:
    """Tried as the runner would: with a user namespace unless it is root."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return Finding("namespaces", False, "cannot be tried without bubblewrap")
    user = () if drops_from_root() else ("--unshare-user",)
    trial = await asyncio.create_subprocess_exec(
        *(bwrap, *user, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--ro-bind", "/", "/", "true"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(_TRIAL_DEADLINE_S):
        _, error = await trial.communicate()
    if trial.returncode == 0:
        return Finding("namespaces", True, "can be made")
    return Finding("namespaces", False, error.decode(errors="replace").strip(), "\n".join(_remedies()))


def _remedies() -> Iterator[str]:
    for file, forbidding, remedy in _FORBIDDING:
        with suppress(OSError):
            if Path(file).read_text().strip() == forbidding:
                yield remedy
    if _container():
        yield _CONTAINER_REMEDY


def _of_tier(report: Report) -> Finding:
    name = f"tier {report.tier}"
    if report.holds:
        gaps = [f"gap: {check.name} ({check.hint})" for check in report.checks if not check.held]
        return Finding(name, True, "; ".join([report.message(), *gaps]))
    reasons = [f"an agent could {check.name}: {check.detail}" for check in report.failures]
    hints = [check.hint for check in report.failures]
    if report.tier is Tier.LANDLOCK and (closed := _closed_folder()):
        hints.append(f"{closed} is closed to other users, and the interpreter lies below it")
    return Finding(name, False, "; ".join(reasons), "\n".join(dict.fromkeys(hints)))


def _closed_folder() -> Path | None:
    """The first folder on the way to the interpreter that only its owner may walk through."""
    interpreter = Path(os.path.realpath(sys.executable))
    for folder in reversed(interpreter.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None


def _container() -> str:
    marks = {"/.dockerenv": "Docker", "/run/.containerenv": "Podman"}
    found = [engine for mark, engine in marks.items() if Path(mark).exists()]
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        found.append("Kubernetes")
    return f", in {found[-1]}" if found else ""
