"""For authors of agents: a typed function becomes an agent.

    from pathlib import Path
    from penstock.agents import agent, context

    @agent
    def count(source: Path, suffix: str = ".py") -> dict[str, int]:
        context.log("counting")
        return {"files": sum(1 for path in source.rglob(f"*{suffix}"))}

    if __name__ == "__main__":
        count.main()

Importing this is cheap on purpose (a process may start for every attempt): it loads no third-party package.
"""

from penstock.agents.attempt import Context, context
from penstock.agents.errors import (
    AgentError,
    BudgetSpent,
    ConnectionLost,
    Invalid,
    InvalidInput,
    LimitReached,
    ModelRefused,
    NetworkFailed,
    NoModel,
    NotAllowed,
    NotAuthenticated,
    Parked,
    RateLimited,
    TimedOut,
    TryAgain,
)
from penstock.agents.function import Agent, agent
from penstock.agents.questions import Answer

__all__ = [
    "Agent",
    "AgentError",
    "Answer",
    "BudgetSpent",
    "ConnectionLost",
    "Context",
    "Invalid",
    "InvalidInput",
    "LimitReached",
    "ModelRefused",
    "NetworkFailed",
    "NoModel",
    "NotAllowed",
    "NotAuthenticated",
    "Parked",
    "RateLimited",
    "TimedOut",
    "TryAgain",
    "agent",
    "context",
]
