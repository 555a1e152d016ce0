"""Random workflows: chains, fans, layers and tangles, with conditions, `run_if`s, profiles and outputs; and nodes
of every kind (see features.py)."""

from datetime import timedelta
from random import Random
from typing import Any

from penstock.contracts.workflow import (
    RETRY_PROFILES,
    CompensationPolicy,
    NodeDefinition,
    OnFailure,
    RunIf,
    WorkflowDefinition,
)
from tests.builders import node, workflow
from tests.proof.features import adorned

NODES_MAX = 24
NODES_MAX_ADORNED = 8  # a node with items has many units


def random_workflow(random: Random, *, adorned_share: float = 0.0) -> WorkflowDefinition:
    """With `adorned_share`, that share of the nodes does something that a plain node does not."""
    size = random.randint(1, NODES_MAX_ADORNED if adorned_share else NODES_MAX)
    needs = random.choice([_chain, _fan, _layers, _tangle])(random, size)
    nodes: list[NodeDefinition] = []
    for index, upstream in enumerate(needs):
        node = _node(random, f"n{index}", upstream, nodes)
        nodes.append(adorned(random, node) if random.random() < adorned_share else node)
    asks = random.random() < 0.5
    policies = list(OnFailure) if adorned_share else [OnFailure.STOP, OnFailure.CONTINUE]
    return workflow(
        *nodes,
        on_failure=random.choice(policies),
        compensation_policy=random.choice(list(CompensationPolicy)),
        output={"first": "${{ nodes.n0.state }}"} if asks else None,
        timeout=timedelta(seconds=random.choice([300, 7_200, 7_200, 7_200])),
    )


def _node(random: Random, name: str, upstream: list[int], before: list[NodeDefinition]) -> NodeDefinition:
    """Every agent's output is {"go": bool, "x": number}: conditions ask for `go`, inputs for `x`."""
    fields: dict[str, Any] = {
        "retry": RETRY_PROFILES[random.choice(["standard", "standard", "aggressive", "conservative", "none"])]
    }
    plain = [index for index in upstream if before[index].agent and not before[index].foreach]
    if random.random() < 0.3:
        fields["run_if"] = random.choice(list(RunIf))
    # After a skipped node there is no output to ask for: such expressions fail, which some should.
    elif plain and random.random() < 0.3:
        fields["if_"] = f"${{{{ nodes.n{random.choice(plain)}.output.go }}}}"
    if plain and random.random() < (0.05 if "run_if" in fields else 0.5):
        fields["with_"] = {"x": f"${{{{ nodes.n{random.choice(plain)}.output.x }}}}"}
    return node(name, *[f"n{index}" for index in upstream], **fields)


def _chain(_random: Random, size: int) -> list[list[int]]:
    return [[index - 1] if index else [] for index in range(size)]


def _fan(_random: Random, size: int) -> list[list[int]]:
    """One, then many, then one."""
    middle = list(range(1, size - 1))
    return [[], *[[0] for _ in middle], middle or [0]] if size > 1 else [[]]


def _layers(random: Random, size: int) -> list[list[int]]:
    width = random.randint(1, 5)
    needs: list[list[int]] = []
    for index in range(size):
        before = range(max(0, (index // width - 1) * width), index // width * width)
        needs.append(sorted(random.sample(list(before), min(len(before), random.randint(1, 3)))))
    return needs


def _tangle(random: Random, size: int) -> list[list[int]]:
    return [sorted(random.sample(range(index), min(index, random.randint(0, 4)))) for index in range(size)]
