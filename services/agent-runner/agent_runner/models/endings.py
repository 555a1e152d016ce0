"""Attempts that end at a call, or have ended: what their agents are told."""

from agent_runner.held import Held
from agent_runner.models.problems import ModelProblem
from penstock.contracts.messages import AgentQuestion


def why_over(held: Held) -> ModelProblem | None:
    """An agent that does not heed that its attempt ends calls for nobody: what it makes of the answer is lost."""
    if held.parking is not None:
        return ModelProblem(423, "this attempt has been parked, and ends now", code="parked")
    if held.cancelled.is_set():
        return ModelProblem(409, "this attempt is being stopped", code="attempt_superseded")
    return None


def parked(held: Held, question: AgentQuestion | None, sentence: str) -> ModelProblem:
    """The attempt ends, and another one gets to this call again."""
    if not held.park(question):
        return ModelProblem(409, f"{sentence}; this attempt is being stopped", code="attempt_superseded")
    return ModelProblem(423, f"{sentence}: this attempt ends now, and goes on later", code="parked")
