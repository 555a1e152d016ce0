"""The pack value-lifecycle as it is shipped: stages and limits of requirement V1, compensations, and its tables."""

from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest
import yaml
from value_lifecycle.book import STORE
from value_lifecycle.records import RECORDS, Record

from agent_runner.catalogue import read_catalogue
from penstock.contracts.workflow import OnFailure
from penstock.definition import load
from tests.packs.value_program import PACK

# Stage → seconds, as V1 has them.
STAGES = {
    "opportunity-discovery-v1": {"market-research": 90, "validation": 60, "prioritization": 45},
    "target-value-commit-v1": {
        "kpi-target-definition": 120,
        "validation-and-approval": 90,
        "value-commitment": 60,
        "measurement-setup": 75,
    },
    "realization-tracking-v1": {
        "data-collection": 120,
        "performance-analysis": 90,
        "stakeholder-reporting": 60,
        "intervention-planning": 75,
    },
    "expansion-modeling-v1": {
        "opportunity-scanning": 90,
        "scenario-modeling": 120,
        "business-case": 90,
        "roadmap": 75,
    },
    "integrity-controls-v1": {
        "data-integrity": 90,
        "compliance-verification": 120,
        "audit-trail": 60,
        "certification": 45,
    },
    "complete-value-lifecycle-v1": {
        "discovery": 90,
        "commit": 120,
        "realization": 120,
        "expansion": 90,
        "integrity": 90,
    },
    "parallel-value-lifecycle-v1": {
        "discovery": 90,
        "target-definition": 120,
        "integrity-setup": 60,
        "realization": 120,
        "expansion": 90,
    },
}
READS_ONLY = {"data-integrity"}
PROFILES = {"standard", "aggressive", "conservative", "none"}


def document(workflow: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((PACK / f"{workflow}.yaml").read_text())
    return loaded


def stages(workflow: str) -> dict[str, dict[str, Any]]:
    return {name: node for name, node in document(workflow)["nodes"].items() if "approval" not in node}


def test_the_pack_has_exactly_the_seven_workflows() -> None:
    assert {path.stem for path in PACK.glob("*.yaml")} == {*STAGES, "store"}
    assert all(document(name)["name"] == name for name in STAGES)


@pytest.mark.parametrize("workflow", STAGES)
def test_a_workflow_has_its_stages_with_their_limits_and_is_undone_when_one_fails(workflow: str) -> None:
    loaded = load((PACK / f"{workflow}.yaml").read_bytes())
    limits = {node.name: node.timeout for node in loaded.definition.nodes if node.name in stages(workflow)}

    assert limits == {name: timedelta(seconds=seconds) for name, seconds in STAGES[workflow].items()}
    assert loaded.definition.on_failure is OnFailure.COMPENSATE
    assert {node["retry"] for node in stages(workflow).values()} <= PROFILES


@pytest.mark.parametrize("workflow", STAGES)
def test_each_stage_has_a_circuit_breaker_with_the_limits_of_v5(workflow: str) -> None:
    """A stage that is a run of another workflow has those of that workflow's stages."""
    loaded = load((PACK / f"{workflow}.yaml").read_bytes())
    policies = {node.name: node.breaker for node in loaded.definition.nodes if node.agent is not None}

    assert {*policies} == {name for name, node in stages(workflow).items() if "agent" in node}
    for policy in policies.values():
        assert policy is not None
        assert (policy.failures, policy.cooldown) == (5, timedelta(seconds=60))


@pytest.mark.parametrize("workflow", STAGES)
def test_a_stage_that_writes_names_what_undoes_it(workflow: str) -> None:
    for name, node in stages(workflow).items():
        if "workflow" in node:
            assert "compensate" not in node  # a sub-workflow is undone by its own definition
        elif name not in READS_ONLY:
            assert node["compensate"]["agent"] == "value-undo"
            assert node["compensate"]["with"]["stages"][0] == name


def test_the_runner_takes_every_agent_that_the_workflows_name() -> None:
    offers = {offer.name: offer.error for offer in read_catalogue([PACK]).offers()}
    named = {node["agent"] for workflow in STAGES for node in stages(workflow).values() if "agent" in node}

    assert {*offers} == {*named, "value-undo"}
    assert {*offers.values()} == {None}


@pytest.mark.parametrize("kind", RECORDS)
def test_the_store_has_the_table_of_each_record_with_its_fields(kind: type[Record]) -> None:
    declared = yaml.safe_load((PACK / "store.yaml").read_text())
    row = declared["tables"][kind.TABLE]["row"]

    assert declared["name"] == STORE
    assert {*row["properties"]} == {*row["required"]} == {field.name for field in fields(kind)}


def test_the_store_has_no_other_tables() -> None:
    declared = yaml.safe_load((PACK / "store.yaml").read_text())

    assert {*declared["tables"]} == {kind.TABLE for kind in RECORDS}
