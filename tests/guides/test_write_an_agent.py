"""The agents of the guide that call models, write stores and ask people, in a whole Penstock."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import Api
from tests.guides.conftest import save
from tests.guides.files import write_files
from tests.model_server import ModelRequest, ModelServer

pytestmark = pytest.mark.sandbox

ODD = 'It said "no\\n" \\ and 100 % \n of {it} for $HOME'


async def start(api: Api, agent: str, tmp_path: Path, **given: str) -> str:
    """A run of that agent alone."""
    file = tmp_path / f"{agent}.yaml"
    inputs = "{type: object, additionalProperties: {type: string}}"
    node = f'{{agent: {agent}, with: "${{{{ inputs }}}}"}}'
    file.write_text(
        f"name: just-{agent}\ninputs: {inputs}\nnodes:\n  it: {node}\noutput: '${{{{ nodes.it.output }}}}'\n"
    )
    return await api.start(await save(api, file), given)


def echo(request: ModelRequest) -> str:
    return f"Said: {request.text}"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_the_shell_example_calls_a_model_and_writes_a_store(
    guided: Api, model_server: ModelServer, tmp_path: Path
) -> None:
    model_server.on(echo)
    store = write_files("write-an-agent.md", tmp_path)["notes/store.yaml"].read_bytes()
    saved = await guided.client.put(
        "/api/v1/stores/notes", content=store, headers={"content-type": "application/yaml"}
    )
    assert saved.is_success, saved.text

    run = await guided.ended(await start(guided, "sum-up", tmp_path, text=ODD))

    assert run["output"] == {"summary": f"Said: {ODD}"}, run["failure"]
    (row,) = (await guided.get("/stores/notes/summaries"))["items"]
    assert (row["key"], row["value"]) == (run["id"], {"summary": f"Said: {ODD}"})


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
async def test_the_node_example_asks_a_model_and_a_person(
    guided: Api, model_server: ModelServer, tmp_path: Path
) -> None:
    model_server.on(lambda _: "bug")
    run = await start(guided, "triage", tmp_path, message="It broke")

    await guided.until_node(run, "it", "suspended")
    await guided.post(f"/runs/{run}/nodes/it/approve", by="ada")

    ended = await guided.ended(run)
    assert ended["output"] == {"kind": "bug", "approved": True, "by": "ada"}, ended["failure"]
    assert len(model_server.requests) == 1, "the second attempt has the first one's answer"
