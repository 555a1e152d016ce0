"""`python -m orchestrator.bus.asyncapi > docs/asyncapi.yaml`: what travels on the bus, as AsyncAPI 3."""

import sys

import yaml
from faststream.specification import AsyncAPI

from orchestrator.bus.broker import SharedBroker, documented
from penstock.contracts import subjects
from penstock.contracts.inbound import SentEvent
from penstock.contracts.messages import (
    CancelAttempt,
    CheckpointLoad,
    CheckpointSave,
    ClaimRequest,
    Hello,
    LogLines,
    Progress,
    RenewRequest,
    Results,
    StartNode,
)
from penstock.contracts.timeline import CloudEvent

Channel = tuple[str, type, str]

# (subject, message, what it is for); the orchestrator publishes these …
PUBLISHED: tuple[Channel, ...] = (
    (
        f"{subjects.READY}.{{pool}}.{{agent}}",
        StartNode,
        "An attempt that a runner may claim. Stream NODES.",
    ),
    (
        f"{subjects.RUNNER}.{{runner}}.cancel",
        CancelAttempt,
        "A hint to stop an attempt; the renewal's answer counts.",
    ),
    (
        f"{subjects.EVENT}.{{project}}.{{workflow}}.{{kind}}",
        CloudEvent,
        "A fact of a run's timeline, CloudEvents 1.0, id `<run>/<seq>`. Stream EVENTS: for any other system.",
    ),
)
# … and takes these.
TAKEN: tuple[Channel, ...] = (
    (f"{subjects.DONE}.{{pool}}", Results, "Up to 64 results of attempts. Stream RESULTS."),
    (
        f"{subjects.RPC}.{{pool}}.claim",
        ClaimRequest,
        "Asks for the right to attempts; answered with ClaimAnswer.",
    ),
    (f"{subjects.RPC}.{{pool}}.renew", RenewRequest, "Extends leases; answered with RenewAnswer."),
    (f"{subjects.RPC}.{{pool}}.announce", Hello, "A runner, its agents and its sandbox; answered with {}."),
    (f"{subjects.RPC}.{{pool}}.checkpoint-save", CheckpointSave, "Answered with CheckpointAnswer."),
    (f"{subjects.RPC}.{{pool}}.checkpoint-load", CheckpointLoad, "Answered with CheckpointAnswer."),
    (f"{subjects.RPC}.{{pool}}.progress", Progress, "How far an attempt says it is; not answered."),
    (f"{subjects.LOG}.{{project}}", LogLines, "Lines that an agent logged. Stream LOGS."),
    (
        f"{subjects.INBOUND}.{{project}}.{{type}}",
        SentEvent,
        "An event from any other system, CloudEvents 1.0, structured or binary. Stream INBOX.",
    ),
)


def document() -> str:
    """The document as YAML."""
    broker = SharedBroker()
    for subject, kind, purpose in PUBLISHED:
        broker.publisher(subject, schema=documented(kind), title=kind.__name__, description=purpose)
    for subject, kind, purpose in TAKEN:
        _take(broker, subject, kind, purpose)
    specification = AsyncAPI(
        broker,
        title="Penstock",
        version="1",
        description="Durable DAG workflows for sandboxed agents, over NATS.",
        schema_version="3.0.0",
    )
    return yaml.safe_dump(specification.to_specification().to_jsonable(), sort_keys=True, width=110)


def _take(broker: SharedBroker, subject: str, kind: type, purpose: str) -> None:
    async def handler(body: documented(kind)) -> None:  # type: ignore[valid-type]
        """Only its signature is read."""

    broker.subscriber(subject, title=kind.__name__, description=purpose)(handler)


if __name__ == "__main__":
    sys.stdout.write(document())
