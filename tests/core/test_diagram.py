"""The page of states is the one that the code has."""

from pathlib import Path
from typing import get_args

from orchestrator.domain.diagram import page
from orchestrator.domain.events import RunEvent
from orchestrator.domain.node import NodeState
from orchestrator.domain.run import RunState
from orchestrator.domain.steps import NODE_STEPS, RUN_STEPS
from orchestrator.domain.timely import TIMELY

PAGE = Path(__file__).parents[2] / "docs" / "states.md"


def test_the_page_of_states_is_current() -> None:
    assert PAGE.read_text() == page(), (
        "write it again: python -m orchestrator.domain.diagram > docs/states.md"
    )


def test_the_table_of_timely_events_has_every_event() -> None:
    assert set(TIMELY) == set(get_args(RunEvent))


def test_every_state_can_be_reached() -> None:
    assert {after for _, after in NODE_STEPS} == set(NodeState)
    assert {after for _, after in RUN_STEPS} == set(RunState)
