"""A whole Penstock under a user without any right, in the tiers that such a user may have."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from penstock_cli.embedded.ports import free_port
from tests.e2e.conftest import Api, Json, node_of
from tests.stack import ROOT, answers

NOBODY = 65534
READY_S_MAX = 60

# The interpreter may lie below a closed home, such as /root: in a mount namespace of its own the way to it is open.
OPENED = """
set -e
mkdir "$1/bound"
if [ -n "$2" ]; then
  mount --bind "$3" "$1/bound"
  mount -t tmpfs -o mode=755 none "$2"
  mkdir -p "$3"
  mount --bind "$1/bound" "$3"
fi
shift 3
exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
"""

pytestmark = [
    pytest.mark.long,
    pytest.mark.alone,  # the limit of processes in the tier landlock counts all that its user has, also other tests'
    pytest.mark.sandbox,
    pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run under an unprivileged user already"),
]


def closed_folder(path: Path) -> Path | None:
    """The first folder on the way to `path` that only its owner may walk through."""
    return next((folder for folder in reversed(path.parents) if not folder.stat().st_mode & 0o001), None)


@contextmanager
def up_as_nobody(tier: str) -> Iterator[str]:
    """The URL of a `penstock up` whose every process is nobody's."""
    if closed_folder(ROOT / "x") is not None:
        pytest.skip(f"{ROOT} cannot be reached by others")
    base = Path(sys.base_prefix).resolve()
    folder = Path(tempfile.mkdtemp(prefix="penstock-nobody-"))
    folder.chmod(0o777)
    port, log = free_port(), folder / "up.log"
    command = [
        *(
            "unshare",
            "--mount",
            "sh",
            "-c",
            OPENED,
            "sh",
            str(folder),
            str(closed_folder(base / "x") or ""),
            str(base),
        ),
        *(sys.executable, "-m", "penstock_cli.main", "up", "--data", str(folder / "data")),
        *("--port", str(port), "--nats-port", str(free_port()), "--notifier-port", str(free_port())),
        *("--agents", str(ROOT / "tests/agents_for_tests")),
    ]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PENSTOCK_RUNNER_SANDBOX": tier}
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, cwd="/", stdout=output, stderr=output)
    try:
        yield until_up(f"http://127.0.0.1:{port}", process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        shutil.rmtree(folder)


def until_up(url: str, process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + READY_S_MAX
    while not (answers(f"{url}/ready") and "is up" in log.read_text()):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    return url


@pytest.fixture(scope="module", params=["landlock", "bwrap"])
def tier_and_url(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    with up_as_nobody(request.param) as url:
        yield request.param, url


@pytest.fixture
async def api(tier_and_url: tuple[str, str]) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=tier_and_url[1], timeout=90) as client:
        yield Api(client)


def bad(deed: str) -> Json:
    return {"agent": "villain", "with": {"deed": deed}, "retry": "none", "timeout": "2s"}


async def test_every_mode_runs_and_bad_deeds_fail_under_an_unprivileged_user(
    api: Api, tier_and_url: tuple[str, str]
) -> None:
    tier, _ = tier_and_url
    deeds = ("write-usr", "fork", "allocate", "ignore-term", "open-socket")
    good = {
        "never": {"agent": "sleeper", "with": {"seconds": 0.1}},
        "fork": {"agent": "flaky", "with": {"value": 2}},
        "process": {"agent": "steady", "with": {"value": 3}},
    }

    run = await api.run(
        {
            "name": "nobody",
            "on_failure": "continue",
            "nodes": {**good, **{f"deed-{deed}": bad(deed) for deed in deeds}},
        }
    )

    for name in good:
        assert node_of(run, name)["state"] == "succeeded", node_of(run, name)["failure"]
    for deed in deeds:
        assert node_of(run, f"deed-{deed}")["state"] == "failed", deed
    attempts = (await api.get(f"/runs/{run['id']}/nodes/fork"))["attempts"]
    assert {attempt["tier"] for attempt in attempts} == {tier}
