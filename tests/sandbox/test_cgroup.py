"""Control groups: found where we may make them, refused with a reason where not, counted in both versions."""

import os
from itertools import count
from pathlib import Path

import pytest

from agent_runner.sandbox.cgroup import Cgroups, NoCgroups, Usage, detect
from penstock.contracts.agent import SandboxLimits
from penstock.contracts.limits import MIB

_LIMITS = SandboxLimits(memory_bytes=64 * MIB, processes=10)


@pytest.fixture
def unified(tmp_path: Path) -> Path:
    """A folder that looks like a delegated cgroup of version 2, as the files of one do."""
    own = tmp_path / "service"
    own.mkdir()
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids")
    (own / "cgroup.controllers").write_text("cpu memory pids")
    (own / "cgroup.subtree_control").write_text("memory pids")
    (own / "cgroup.procs").write_text("")
    return tmp_path


def test_a_delegated_group_of_version_2_is_used(unified: Path) -> None:
    found = detect(root=unified, own="0::/service")

    assert isinstance(found, Cgroups)
    assert (found.version, found.parents["memory"]) == (2, unified / "service")


def test_a_runner_that_was_moved_into_its_leaf_finds_the_parent_again(unified: Path) -> None:
    (unified / "service" / "penstock-runner").mkdir()
    for name in ("cgroup.controllers", "cgroup.procs"):
        (unified / "service" / "penstock-runner" / name).write_text("cpu memory pids")

    found = detect(root=unified, own="0::/service/penstock-runner")

    assert isinstance(found, Cgroups)
    assert found.parents["memory"] == unified / "service"


def test_controllers_that_are_not_delegated_are_named(unified: Path) -> None:
    (unified / "service" / "cgroup.controllers").write_text("cpu pids")

    found = detect(root=unified, own="0::/service")

    assert found == NoCgroups("cgroup v2 controllers not delegated: memory")


def test_without_any_hierarchy_the_reason_names_what_is_missing(tmp_path: Path) -> None:
    found = detect(root=tmp_path, own="4:memory:/x\n8:pids:/x\n")

    assert found == NoCgroups("cgroup v1 controllers not writable: memory, pids")


def test_a_group_of_version_2_is_limited_and_read(tmp_path: Path) -> None:
    group = Cgroups({"memory": tmp_path, "pids": tmp_path}, 2, count()).create(_LIMITS)
    folder = group.folders["memory"]

    assert int((folder / "memory.max").read_text()) == 64 * MIB
    assert 10 <= int((folder / "pids.max").read_text()) <= 15
    (folder / "memory.peak").write_text("1234\n")
    (folder / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1\n")
    assert group.usage() == Usage(cpu_s=1.5, memory_bytes=1234)
    assert group.breach() is None
    (folder / "pids.events").write_text("max 3\n")
    assert group.breach() == "too many processes (limit 10)"
    (folder / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    assert group.breach() == "out of memory (limit 64 MiB)"


def test_what_a_killed_runner_left_is_deleted(tmp_path: Path) -> None:
    dead, alive = tmp_path / "penstock-4194305-0", tmp_path / f"penstock-{os.getpid()}-0"
    dead.mkdir()
    alive.mkdir()

    Cgroups({"memory": tmp_path, "pids": tmp_path}, 2, count()).sweep()

    assert not dead.exists()
    assert alive.exists()


def test_the_larger_of_two_observations_counts() -> None:
    assert Usage(1.0, None).joined(0.5, 7) == Usage(1.0, 7)
    assert Usage(None, None).joined(None, None) == Usage(None, None)
