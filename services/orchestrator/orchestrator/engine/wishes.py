"""What people, and clocks for them, may want of a run: the events of the core that doors may make."""

from typing import TypeAlias

from orchestrator.domain.events import Answered as Answered
from orchestrator.domain.events import CancelRequested as CancelRequested
from orchestrator.domain.events import CompensateRequested as CompensateRequested
from orchestrator.domain.events import PauseRequested as PauseRequested
from orchestrator.domain.events import ResumeRequested as ResumeRequested
from orchestrator.domain.events import RetryRequested as RetryRequested
from orchestrator.domain.events import SkipRequested as SkipRequested

RunWish: TypeAlias = (
    CancelRequested | CompensateRequested | PauseRequested | ResumeRequested | RetryRequested | SkipRequested
)
"""Of the whole run."""
