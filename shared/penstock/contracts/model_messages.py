"""What runner and orchestrator say of calls of language models: may it be made, was it made before, what it took.

On `penstock.rpc.<pool>.model-begin` and `.model-end`; every call is begun before it is made and ended after.
"""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from penstock.contracts.messages import AgentQuestion
from penstock.contracts.usage import Count, Dollars, ModelName

FINGERPRINT_PATTERN = r"^[0-9a-f]{64}$"


class ModelCallBegin(msgspec.Struct, frozen=True, omit_defaults=True):
    """`call` is the runner's own, fresh id of this call.

    `fingerprint`: SHA-256 of what is asked, in one writing; `occurrence`: how many equal requests this attempt
    made before (0 for the first). Both together name the same call in another attempt of the node.
    `tokens_most`, `dollars_most`: the most that the call can use; no dollars: no price is known.
    """

    run: UUID
    node: str
    attempt: int
    token: UUID
    call: UUID
    operation: str  # as the GenAI conventions name it: chat, text_completion, embeddings
    model: ModelName  # as the agent asked for it
    fingerprint: Annotated[str, msgspec.Meta(pattern=FINGERPRINT_PATTERN)]
    occurrence: Count
    tokens_most: Count
    dollars_most: Dollars | None = None


class Verdict(StrEnum):
    GO = "go"  # reserved: make the call, then end it
    REPLAY = "replay"  # an earlier attempt made it: `reply` is what it got
    REFUSED = "refused"  # a budget is spent; `sentence` says which
    PARK = "park"  # a budget is spent, and `question` asks a person, or nothing is asked: the run is paused
    LOST = "lost"  # the token does not hold the attempt


class ModelReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a model answered, as the agent gets it: the body of a complete answer (a stream is put together).

    `body` is JSON of at most 192 KiB; above that it is an artifact, and `artifact` is its URI.
    `estimated`: the provider told no tokens.
    """

    provider: str
    model: ModelName  # that answered, as its provider names it
    tokens_in: Count = 0
    tokens_out: Count = 0
    cost_dollars: Dollars | None = None  # None: unknown, which is not 0
    body: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    artifact: str | None = None
    estimated: bool = False


class ModelCallVerdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to ModelCallBegin."""

    verdict: Verdict
    sentence: str = ""
    question: AgentQuestion | None = None
    reply: ModelReply | None = None


class ModelCallEnd(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the call took; counts also if the attempt has been lost by now. Exactly one of `reply` and `error`.

    `error`: no answer to keep; `tokens_in`, `tokens_out`, `cost_dollars` then say what it took nevertheless
    (a stream that broke off, an attempt at another provider).
    """

    call: UUID
    seconds: float
    reply: ModelReply | None = None
    error: str | None = None
    tokens_in: Count = 0
    tokens_out: Count = 0
    cost_dollars: Dollars | None = None
    estimated: bool = False


class ModelCallEnded(msgspec.Struct, frozen=True):
    """The answer to ModelCallEnd: written, or written before."""

    known: bool
