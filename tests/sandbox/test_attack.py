"""Promise R10: the sandbox holds, and the self-attack would tell if it did not."""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

import agent_runner
import penstock
from agent_runner.sandbox import doctor, probe
from agent_runner.sandbox.bwrap import BwrapSandbox
from agent_runner.sandbox.cgroup import detect
from agent_runner.sandbox.command import Host, Weakness
from agent_runner.sandbox.launched import LaunchedSandbox
from agent_runner.sandbox.port import Tier
from tests.sandbox.conftest import NO_CGROUPS
from tests.sandbox.programs import DEADLINE_S, PYTHON

pytestmark = pytest.mark.sandbox


async def test_no_escape_gets_through(bwrap: BwrapSandbox) -> None:
    report = await probe.attack(bwrap)

    assert report.holds, report.message()
    assert len(report.checks) >= 30


async def test_the_probe_is_quick_enough_for_a_start() -> None:
    started = time.monotonic()

    report = await probe.probe(Tier.BWRAP)

    assert report.holds, report.message()
    assert time.monotonic() - started < 5  # 0.3 s on an idle machine


async def test_no_escape_gets_through_a_user_namespace(host: Host) -> None:
    sandbox = BwrapSandbox(replace(host, drops_from_root=False))

    report = await probe.attack(sandbox)

    await sandbox.close()
    assert report.holds, report.message()


async def test_no_escape_gets_through_without_control_groups(host: Host) -> None:
    sandbox = BwrapSandbox(replace(host, cgroups=NO_CGROUPS))

    report = await probe.attack(sandbox)

    await sandbox.close()
    assert report.holds, report.message()


async def test_no_escape_gets_through_without_proc(host: Host) -> None:
    sandbox = BwrapSandbox(replace(host, mounts_proc=False))

    report = await probe.attack(sandbox)

    await sandbox.close()
    assert report.holds, report.message()


@pytest.mark.parametrize(
    ("weakness", "escape"),
    [
        (Weakness(without_seccomp=True), "make a user namespace"),
        (Weakness(with_network=True), "connect to the host's loopback"),
        (Weakness(with_host_files=True), "read a file of the host"),
        (Weakness(with_writable_runtime=True, as_root=True), "write to /usr"),
        (Weakness(with_environment=True), "see a variable of the host's environment"),
        (Weakness(with_host_processes=True), "see processes of the host"),
        (Weakness(as_root=True), "be root"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
async def test_a_weakened_sandbox_is_found_out(host: Host, weakness: Weakness, escape: str) -> None:
    if weakness.as_root and not host.drops_from_root:
        pytest.skip("only a runner that is root has rights to forget")
    sandbox = BwrapSandbox(host, weakness=weakness)

    report = await probe.attack(sandbox)

    await sandbox.close()
    assert not report.holds
    assert escape in {check.name for check in report.failures}
    assert escape in report.message()


async def test_a_sandbox_without_limits_is_found_out(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    generous = replace_limits(memory_bytes=2**32, processes=4096, scratch_bytes=2**30)
    monkeypatch.setattr(probe, "_LIMITS", generous)
    sandbox = BwrapSandbox(host)

    report = await probe.attack(sandbox)

    await sandbox.close()
    assert {check.name for check in report.failures} == {
        "exceed its memory",
        "exceed its processes",
        "exceed its scratch space",
    }


def replace_limits(**changes: int) -> object:
    return type(probe._LIMITS)(**changes)


async def test_a_machine_without_bubblewrap_gets_a_hint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    report = await probe.probe(Tier.BWRAP)

    assert not report.holds
    assert "apt-get install bubblewrap" in report.message()


async def test_tier_none_is_not_attacked() -> None:
    report = await probe.probe(Tier.NONE)

    assert (report.holds, report.checks) == (True, ())


async def test_doctor_names_every_tier() -> None:
    findings = await doctor.examine()

    assert {"tier bwrap", "tier landlock", "control groups"} <= {finding.name for finding in findings}
    assert all(finding.hint or finding.ok for finding in findings)
    assert "✓ bubblewrap: " in doctor.text(findings)


@pytest.fixture(scope="module")
def open_interpreter() -> Iterator[tuple[Path, Path]]:
    """An interpreter and our package where any user may read them: (python, package)."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-test-python-"))
    _copy_interpreter(folder)
    yield folder / "bin" / Path(PYTHON).name, folder / "package"
    shutil.rmtree(folder)


def _copy_interpreter(folder: Path) -> None:
    folder.chmod(0o755)
    base = Path(sys.base_prefix).resolve()
    library = f"lib/python{sys.version_info.major}.{sys.version_info.minor}"
    skipped = shutil.ignore_patterns(
        "site-packages", "test", "__pycache__", "config-*", "idlelib", "tkinter", "*.a"
    )
    shutil.copytree(base / library, folder / library, ignore=skipped)
    (folder / "bin").mkdir()
    shutil.copy(PYTHON, folder / "bin")
    for shared in (base / "lib").glob("libpython*.so*"):
        shutil.copy(shared, folder / "lib")
    for module in (agent_runner, penstock, msgspec):
        source = Path(str(module.__file__)).parent
        shutil.copytree(source, folder / "package" / source.name, ignore=skipped)


async def test_no_escape_gets_through_landlock_but_the_known_gap(
    open_interpreter: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    python, package = open_interpreter
    monkeypatch.setattr(probe, "_interpreter", lambda: (package, str(python), python.parent.parent))

    report = await probe.attack(LaunchedSandbox(Tier.LANDLOCK, detect()))

    assert report.holds, report.message()
    assert len(report.checks) >= 30
    assert {check.name for check in report.checks if not check.held} <= {
        "connect to a socket file of the host"
    }


async def test_landlock_taken_away_is_found_out(
    open_interpreter: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    python, package = open_interpreter
    monkeypatch.setattr(probe, "_interpreter", lambda: (package, str(python), python.parent.parent))

    report = await probe.attack(LaunchedSandbox(Tier.LANDLOCK, detect(), confined=False))

    names = {check.name for check in report.failures}
    assert {"read a file of the host", "connect to the host's loopback", "make a user namespace"} <= names


@pytest.mark.parametrize("tier", [Tier.BWRAP, Tier.LANDLOCK])
async def test_a_runner_that_is_not_root_confines_too(
    open_interpreter: tuple[Path, Path], tier: Tier
) -> None:
    if os.geteuid() != 0:
        pytest.skip("the other tests ran under an unprivileged uid already")
    python, package = open_interpreter
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")

    done = await asyncio.create_subprocess_exec(
        *(*nobody, str(python), "-c", _PROBE, tier),
        env={"PYTHONPATH": str(package), "PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        cwd="/",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(done.communicate(), DEADLINE_S)

    told = out.decode().splitlines()  # asyncio may have a word of its own to say of a child before it
    assert any(line.startswith(f"sandbox tier {tier} withstood ") for line in told), told


_PROBE = """
import asyncio, sys
from agent_runner.sandbox.port import Tier
from agent_runner.sandbox.probe import probe
print(asyncio.run(probe(Tier(sys.argv[1]))).message())
"""
