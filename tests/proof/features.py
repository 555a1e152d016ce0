"""What a node can do besides running an agent once: items, repetition, sub-workflows, waits, questions, undoing."""

from datetime import timedelta
from random import Random
from typing import Any

from penstock.contracts.value import replace
from penstock.contracts.workflow import (
    RETRY_PROFILES,
    ApprovalDefinition,
    CacheDefinition,
    Compensation,
    EventWait,
    ForeachDefinition,
    NodeDefinition,
    OnMax,
    OnTimeout,
    RepeatDefinition,
    WaitDefinition,
)

INPUT = b'{"key": 1, "none": [], "some": [1, 2, 3, 4, 5, 6, 7]}'
ITEMS = ([], ["a"], ["a", "b", "c"], "${{ inputs.some }}", "${{ inputs.key }}", [0] * 12)
RETRY_NAMES = ("standard", "standard", "aggressive", "none")


def adorned(random: Random, node: NodeDefinition) -> NodeDefinition:
    """The node with some of the features that can go together."""
    kind = random.choice(["agent", "agent", "agent", "agent", "workflow", "approval", "wait"])
    if kind == "approval":
        return replace(node, agent=None, with_=None, approval=_approval(random))
    if kind == "wait":
        return replace(node, agent=None, with_=None, wait=_wait(random))
    fields: dict[str, Any] = {"agent": None, "workflow": "child"} if kind == "workflow" else {}
    if kind == "workflow":
        fields["timeout"] = timedelta(seconds=random.choice([30, 3_600]))
    if random.random() < 0.35:
        fields["foreach"] = _foreach(random)
    if random.random() < 0.2:
        fields["repeat"] = _repeat(random)
    if kind == "agent" and random.random() < 0.2:
        key = "item" if "foreach" in fields else "inputs.key"
        fields["cache"] = CacheDefinition(key=f"${{{{ {key} }}}}", ttl=timedelta(hours=1))
    if kind == "agent" and random.random() < 0.7:
        fields["compensate"] = _compensation(random)
    return replace(node, **fields)


def _compensation(random: Random) -> Compensation:
    """Some inputs of undoings cannot be made."""
    given: Any = random.choice([None, None, None, {"of": "${{ output.x }}"}, {"of": "${{ output.nothing }}"}])
    return Compensation(agent="undoer", with_=given, retry=RETRY_PROFILES[random.choice(RETRY_NAMES)])


def _foreach(random: Random) -> ForeachDefinition:
    return ForeachDefinition(
        items=random.choice(ITEMS),
        max_parallel=random.choice([1, 2, 3, 64]),
        failures_max=random.choice([0, 0, 1, 3]),
        failures_share=random.choice([None, None, None, 0.5]),
    )


def _repeat(random: Random) -> RepeatDefinition:
    until = random.choice(["output.go", "output.go", "false", "output.nothing"])
    return RepeatDefinition(
        until=f"${{{{ {until} }}}}", max_=random.choice([1, 2, 3]), on_max=random.choice(list(OnMax))
    )


def _approval(random: Random) -> ApprovalDefinition:
    return ApprovalDefinition(
        message="Go on with ${{ inputs.key }}?",
        assignees=random.choice([(), ("ada",), ("ada", "eve")]),
        timeout=random.choice([None, timedelta(seconds=60)]),
        on_timeout=random.choice(list(OnTimeout)),
        no_self_approval=random.random() < 0.5,
    )


def _wait(random: Random) -> WaitDefinition:
    if random.random() < 0.4:
        return WaitDefinition(duration=timedelta(seconds=random.choice([0, 5, 100])))
    return WaitDefinition(
        event=EventWait(type="pushed", if_=random.choice([None, "${{ event.match }}", "${{ event.no }}"])),
        timeout=random.choice([None, timedelta(seconds=60)]),
        on_timeout=random.choice(list(OnTimeout)),
    )
