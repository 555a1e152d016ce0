"""The contract of an agent holds in every reuse mode, in the real sandbox, with two projects at work at once."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.e2e.agents import write_agent
from tests.e2e.conftest import Api, Json, node_of
from tests.stack import Stack

pytestmark = pytest.mark.sandbox

MODES = ("never", "fork", "process")
PROJECTS = ("blue", "green")
SECRETS = {"blue": {"TOKEN": "blue-token"}, "green": {"TOKEN": "green-token"}}

PROBE = """
import os, time
from pathlib import Path
from penstock.agents import TryAgain, agent, context

BOOT = os.urandom(8).hex()  # of the process that loaded this file


@agent
def probe(do: str, seconds: float = 0.0, source: str = "") -> object:
    match do:
        case "who":
            time.sleep(seconds)
            (Path("/tmp") / context.run).touch()
            return {"boot": BOOT, "others": sorted(os.listdir("/tmp")), "pid": os.getpid()}
        case "resume":
            seen = context.checkpoint.load()
            context.checkpoint.save({"attempt": context.attempt, "run": context.run})
            if context.attempt == 1:
                raise TryAgain("after the checkpoint")
            return {"seen": seen, "key": context.idempotency_key}
        case "progress":
            context.progress(3, 10, "three of ten")
            time.sleep(seconds)
            return {}
        case "secrets":
            return {"granted": context.secret("TOKEN"), "refused": refusal("OTHER"), "unset": refusal("UNSET")}
        case "artifacts":
            Path("/tmp/own.txt").write_text(f"of {context.run}")
            uri = context.put_artifact("/tmp/own.txt")
            return {"uri": uri, "back": context.get_artifact(uri).read_text()}


def refusal(name: str) -> str:
    try:
        return "granted: " + context.secret(name)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    probe.run()
"""


@pytest.fixture(scope="module")
def two_slots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("modes")
    for mode in MODES:
        write_agent(folder / "agents", f"probe-{mode}", PROBE, reuse=mode, secrets=["TOKEN", "UNSET"])
    secrets = folder / "secrets.json"
    secrets.write_text(json.dumps(SECRETS))
    secrets.chmod(0o600)
    extra = {"PENSTOCK_ORCHESTRATOR_LEASE_S": "3", "PENSTOCK_RUNNER_SECRETS_FILE": str(secrets)}
    with Stack(folder=folder, agents=(folder / "agents",), slots=2, extra=extra) as running:
        yield running


@pytest.fixture
async def projects(two_slots: Stack) -> AsyncIterator[dict[str, Api]]:
    """The API as each project sees it."""
    clients = {
        name: httpx.AsyncClient(base_url=two_slots.url, timeout=90, headers={"X-Penstock-Project": name})
        for name in PROJECTS
    }
    yield {name: Api(client) for name, client in clients.items()}
    for client in clients.values():
        await client.aclose()


def probe(mode: str, do: str, *, nodes: int = 1, **given: Json) -> Json:
    node = {"agent": f"probe-{mode}", "with": {"do": do, **given}, "retry": {"attempts": 2, "delay": "50ms"}}
    return {"name": f"{do}-{mode}", "nodes": {f"n{i}": node for i in range(nodes)}}


async def in_both(projects: dict[str, Api], document: Json) -> dict[str, Json]:
    """The ended runs of one workflow, started in both projects at once."""
    ended = await asyncio.gather(*(api.run(document) for api in projects.values()))
    for run in ended:
        assert run["state"] == "succeeded", run["failure"]
    return dict(zip(projects, ended, strict=True))


@pytest.mark.parametrize("mode", MODES)
async def test_projects_share_nothing_of_a_worker(projects: dict[str, Api], mode: str) -> None:
    runs = await in_both(projects, probe(mode, "who", nodes=6, seconds=0.05))

    answers = {name: [node["output"] for node in run["nodes"]] for name, run in runs.items()}
    boots = {name: {answer["boot"] for answer in each} for name, each in answers.items()}
    assert boots["blue"].isdisjoint(boots["green"])
    assert mode != "never" or len(boots["blue"]) == 6
    for name, each in answers.items():
        foreign = {run["id"] for other, run in runs.items() if other != name}
        assert not [answer for answer in each if foreign & set(answer["others"])]


@pytest.mark.parametrize("mode", MODES)
async def test_a_retried_attempt_resumes_from_its_own_checkpoint(projects: dict[str, Api], mode: str) -> None:
    runs = await in_both(projects, probe(mode, "resume"))

    for run in runs.values():
        node = node_of(run, "n0")
        assert node["attempt"] == 2
        assert node["output"]["seen"] == {"attempt": 1, "run": run["id"]}
        assert node["output"]["key"] == f"{run['id']}/n0"


@pytest.mark.parametrize("mode", MODES)
async def test_progress_is_seen_while_the_attempt_runs_and_not_afterwards(
    projects: dict[str, Api], mode: str
) -> None:
    api = projects["blue"]
    await api.define(probe(mode, "progress", seconds=2))
    run = await api.start(f"progress-{mode}")

    async with asyncio.timeout(20):
        while (told := node_of(await api.get(f"/runs/{run}"), "n0")["progress"]) is None:
            await asyncio.sleep(0.05)
    alone = (await api.get(f"/runs/{run}/nodes/n0"))["progress"]
    ended = await api.ended(run)

    assert {key: told[key] for key in ("done", "total", "message")} == {
        "done": 3,
        "total": 10,
        "message": "three of ten",
    }
    assert alone == told
    assert node_of(ended, "n0")["progress"] is None


@pytest.mark.parametrize("mode", MODES)
async def test_a_secret_is_granted_to_its_project_only_if_the_manifest_names_it(
    projects: dict[str, Api], mode: str
) -> None:
    runs = await in_both(projects, probe(mode, "secrets"))

    for project, run in runs.items():
        told = node_of(run, "n0")["output"]
        assert told["granted"] == SECRETS[project]["TOKEN"]
        assert "NotAllowed" in told["refused"]
        assert f"'UNSET' for project '{project}'" in told["unset"]


@pytest.mark.parametrize("mode", MODES)
async def test_artifacts_are_put_and_got_over_the_socket(projects: dict[str, Api], mode: str) -> None:
    runs = await in_both(projects, probe(mode, "artifacts"))

    for project, run in runs.items():
        told = node_of(run, "n0")["output"]
        sha256 = told["uri"].removeprefix("artifact://").split("/")[0]
        content = await projects[project].client.get(f"/api/v1/artifacts/{sha256}")
        assert (told["back"], content.text) == (f"of {run['id']}", f"of {run['id']}")
