"""The pack as a whole: its workflows and its manifests."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent_runner.catalogue import read_catalogue
from penstock.contracts.limits import NODE_INPUT_BYTES_MAX
from penstock.definition import load
from tests.packs.agent_process import manifest, write_tree
from tests.packs.conftest import Chain, chain_of
from tests.packs.expectations import PACK

AGENTS = sorted(path.parent.name for path in (PACK / "agents").glob("*/agent.yaml"))


WORKFLOWS = ("repository-guard.yaml", "review-change.yaml")


def nodes_of(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((PACK / name).read_text())["nodes"]
    return loaded


@pytest.mark.parametrize("agent", AGENTS)
def test_a_manifest_names_a_program_that_exists_and_no_network(agent: str) -> None:
    described = manifest(agent)

    assert described["name"] == agent
    assert (PACK / "agents" / agent / described["command"][1]).is_file()
    assert described["sandbox"]["network"] == "none"


def test_the_runner_takes_every_agent_and_the_definitions_have_no_problem() -> None:
    offers = read_catalogue([PACK / "agents"]).offers()
    loaded = [load((PACK / name).read_text()) for name in WORKFLOWS]

    used = {node.agent for one in loaded for node in one.definition.nodes}
    assert used == {offer.name for offer in offers} == {*AGENTS}
    assert [offer.error for offer in offers] == [None] * len(AGENTS)
    assert [one.warnings for one in loaded] == [(), ()]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_gives_each_agent_only_inputs_that_it_knows(name: str) -> None:
    for node in nodes_of(name).values():
        described = manifest(node["agent"])["input"]

        assert {*node["with"]} <= {*described["properties"]}
        assert {*described.get("required", [])} <= {*node["with"]}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_reads_only_outputs_that_exist(name: str) -> None:
    nodes = nodes_of(name)
    text = (PACK / name).read_text()

    for node, field in re.findall(r"nodes\.(\w+)\.output\.(\w+)", text):
        assert field in manifest(nodes[node]["agent"])["output"]["properties"]


def test_what_all_nodes_answer_fits_into_the_input_of_the_report(tmp_path: Path) -> None:
    """Answers show a part of their lists inline; together they stay below the limit, however bad the tree."""
    bad = "import pickle, hashlib\n" + "".join(f"pickle.loads(x{n}); hashlib.md5(y{n})\n" for n in range(300))
    files: dict[str, str | bytes] = {f"package_{n}/module.py": bad for n in range(2)}
    files |= {f"site{n}/nginx.conf": "server {\n    listen 80;\n}\n" for n in range(40)}
    files["package.json"] = '{"dependencies": {' + ", ".join(f'"dep{n}": "1"' for n in range(300)) + "}}"

    chain = chain_of(write_tree(tmp_path / "tree", files), out=tmp_path / "out")

    together = [chain.scan, chain.licenses, chain.headers, chain.review, chain.patch]
    assert all(part["truncated"] > 0 for part in (chain.scan, chain.licenses, chain.review))
    assert sum(len(str(part)) for part in together) < NODE_INPUT_BYTES_MAX
    assert chain.report["counts"]["total"] > 1_000


def test_the_agents_agree_on_the_shop_with_their_counts(shop: Chain) -> None:
    totals = [part["counts"]["total"] for part in (shop.scan, shop.licenses, shop.headers)]

    assert shop.report["counts"]["total"] == sum(totals)
