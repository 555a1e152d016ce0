"""What travels between orchestrator and runners (design §6). Fields may be added, none removed."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from penstock.contracts.agent import AgentOffer
from penstock.contracts.failure import Failure
from penstock.contracts.usage import MODELS_PER_ATTEMPT_MAX, ModelUsage
from penstock.contracts.workflow import Json


class AgentQuestion(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an agent asks a person in the middle of an attempt. `key` names it within the node, over attempts.

    As JSON at most QUESTION_BYTES_MAX; the runner refuses a larger one, and the orchestrator fails its attempt.
    """

    key: str
    message: str
    details: Json = None  # what the person should see: the tool, its arguments
    form: Json = None  # JSON Schema of the fields that the answer may carry
    assignees: tuple[str, ...] = ()  # empty: anybody
    no_self_approval: bool = False  # who started the run may not answer


class AgentAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person answered."""

    approved: bool
    by: str
    comment: str = ""
    fields: dict[str, Json] = {}


class StartNode(msgspec.Struct, frozen=True, omit_defaults=True):
    """On `penstock.node.ready.<pool>.<agent>`: a node may be claimed. Carries all that running it needs."""

    run: UUID
    node: str
    attempt: int
    project: str
    workflow: str
    agent: str
    input: msgspec.Raw
    timeout_s: float
    publication: int = 1
    traceparent: str | None = None
    answers: dict[str, AgentAnswer] = {}  # to the questions that earlier attempts asked, by key


class Claim(msgspec.Struct, frozen=True, omit_defaults=True):
    """A runner asks for the right to an attempt; `token` is its own, fresh for each attempt.

    `agent_version` is that of the agent which it would run: other runners may offer another.
    """

    run: UUID
    node: str
    attempt: int
    token: UUID
    agent_version: str | None = None


class ClaimRequest(msgspec.Struct, frozen=True):
    runner: str
    claims: tuple[Claim, ...]


class ClaimAnswer(msgspec.Struct, frozen=True):
    """`granted[i]` answers `claims[i]`. The lease counts from when the runner sent the request."""

    granted: tuple[bool, ...]
    lease_s: float


class RenewRequest(msgspec.Struct, frozen=True):
    """The attempts that a runner still works on, by token."""

    runner: str
    tokens: tuple[UUID, ...]


class RenewAnswer(msgspec.Struct, frozen=True):
    """`held`: renewed. `cancel`: held, but to be stopped. A token in neither: kill its sandbox."""

    held: tuple[UUID, ...]
    cancel: tuple[UUID, ...]
    lease_s: float


class Hello(msgspec.Struct, frozen=True):
    """On `penstock.rpc.<pool>.announce`: a runner, what it offers and what its sandbox enforces."""

    runner: str
    pool: str
    host: str
    slots: int
    tier: str
    agents: tuple[AgentOffer, ...]
    leaving: bool = False


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one attempt ended: exactly one of `output`, `failure` and `parked` is set, or `released` is true.

    `released`: the runner gives the attempt back, mostly without having started it; it costs no attempt.
    `parked`: it waits for a person's answer without a runner; afterwards another attempt gets to the same point.
    """

    run: UUID
    node: str
    attempt: int
    token: UUID
    output: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    failure: Failure | None = None
    released: bool = False
    parked: AgentQuestion | None = None
    seconds: float = 0.0
    cpu_s: float | None = None
    memory_bytes: int | None = None
    tier: str | None = None
    usage: Annotated[tuple[ModelUsage, ...], msgspec.Meta(max_length=MODELS_PER_ATTEMPT_MAX)] = ()


class Results(msgspec.Struct, frozen=True):
    """On `penstock.node.done.<pool>`: up to 64 results."""

    runner: str
    results: tuple[Result, ...]


class CancelAttempt(msgspec.Struct, frozen=True):
    """On `penstock.runner.<id>.cancel`: a hint; the renewal's answer is what counts."""

    run: UUID
    node: str
    attempt: int
    token: UUID


class LogLine(msgspec.Struct, frozen=True, omit_defaults=True):
    at: datetime
    text: str
    stream: str = "stderr"


class LogLines(msgspec.Struct, frozen=True):
    """On `penstock.log.<project>`: consecutive lines of one attempt, numbered from `first`."""

    run: UUID
    node: str
    attempt: int
    first: int
    lines: tuple[LogLine, ...]


class CheckpointSave(msgspec.Struct, frozen=True):
    """On `penstock.rpc.<pool>.checkpoint-save`: what the next attempt of this node may resume from."""

    run: UUID
    node: str
    attempt: int
    token: UUID
    value: msgspec.Raw


class CheckpointLoad(msgspec.Struct, frozen=True):
    """On `penstock.rpc.<pool>.checkpoint-load`: what any attempt of this node saved last."""

    run: UUID
    node: str
    attempt: int
    token: UUID


class CheckpointAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """To both. `held` is false when the token does not hold the attempt: nothing was saved or told."""

    held: bool
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """On `penstock.rpc.<pool>.progress`, unanswered: how far an attempt says it is. The newest counts."""

    run: UUID
    node: str
    attempt: int
    token: UUID
    done: float
    total: float | None = None
    message: str = ""
