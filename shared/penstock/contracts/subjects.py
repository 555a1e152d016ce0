"""Where messages go: subjects, streams and durable consumers (design §6)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from penstock.contracts.limits import GIB, READY_AGE_MAX

STREAM_NODES = "NODES"
STREAM_RESULTS = "RESULTS"
STREAM_EVENTS = "EVENTS"
STREAM_LOGS = "LOGS"
STREAM_INBOX = "INBOX"

READY = "penstock.node.ready"
DONE = "penstock.node.done"
EVENT = "penstock.event"
LOG = "penstock.log"
INBOUND = "penstock.in"
RPC = "penstock.rpc"
RUNNER = "penstock.runner"

CONSUMER_RESULTS = "orchestrator"
CONSUMER_LOGS = "log-writer"
CONSUMER_INBOX = "inbox"


NO_AGENT = "_"  # not a name that an agent can have: for the consumer of a pool that offers none


@dataclass(frozen=True)
class Stream:
    """A JetStream stream. `work_queue`: a message leaves once acknowledged. All leave at `age_max`.

    `direct`: messages may be read by their place, without a consumer.
    """

    name: str
    subjects: tuple[str, ...]
    work_queue: bool
    age_max: timedelta | None = None
    bytes_max: int | None = None
    direct: bool = False


STREAMS = (
    Stream(STREAM_NODES, (f"{READY}.>",), work_queue=True, age_max=READY_AGE_MAX),
    Stream(STREAM_RESULTS, (f"{DONE}.>",), work_queue=True),
    Stream(
        STREAM_EVENTS,
        (f"{EVENT}.>",),
        work_queue=False,
        age_max=timedelta(days=7),
        bytes_max=2 * GIB,
        direct=True,
    ),
    Stream(STREAM_LOGS, (f"{LOG}.>",), work_queue=False, age_max=timedelta(days=1), bytes_max=GIB),
    # Shorter than the database remembers ids: what is delivered a second time is known.
    Stream(STREAM_INBOX, (f"{INBOUND}.>",), work_queue=False, age_max=timedelta(days=1), bytes_max=GIB),
)


_STREAM_OF_PREFIX = tuple((subject.removesuffix(">"), s.name) for s in STREAMS for subject in s.subjects)


def stream_of(subject: str) -> str:
    """The stream that keeps this subject; raises LookupError if none does."""
    for prefix, stream in _STREAM_OF_PREFIX:
        if subject.startswith(prefix):
            return stream
    raise LookupError(f"no stream keeps {subject}")


def ready(pool: str, agent: str) -> str:
    return f"{READY}.{pool}.{agent}"


def ready_of_pool(pool: str) -> str:
    return f"{READY}.{pool}.*"


def ready_offered(pool: str, agents: Iterable[str]) -> tuple[str, ...]:
    """What a pool's consumer takes: only what somebody there can run, so that nothing else stands in its way."""
    return tuple(ready(pool, agent) for agent in sorted(agents)) or (ready(pool, NO_AGENT),)


def ready_consumer(pool: str) -> str:
    """The durable consumer that all runners of a pool share."""
    return f"pool-{pool}"


def done(pool: str) -> str:
    return f"{DONE}.{pool}"


def event(project: str, workflow: str, kind: str) -> str:
    return f"{EVENT}.{project}.{workflow}.{kind}"


def events_of(project: str, workflow: str | None = None) -> str:
    """All events of a project, or of one of its workflows."""
    return f"{EVENT}.{project}.{workflow}.>" if workflow else f"{EVENT}.{project}.>"


def project_workflow_and_kind(subject: str) -> tuple[str, str, str]:
    """What the subject of an event says of it."""
    project, workflow, kind = subject.removeprefix(f"{EVENT}.").split(".", 2)
    return project, workflow, kind


def rpc(pool: str, call: str) -> str:
    """`call` is claim, renew, announce, checkpoint-save, checkpoint-load, progress, store-read, -write or -undo."""
    return f"{RPC}.{pool}.{call}"


def pool_of_rpc(subject: str) -> str:
    """The pool whose runner called; the bus lets it call for no other."""
    return subject.removeprefix(f"{RPC}.").split(".")[0]


def runner_cancel(runner: str) -> str:
    return f"{RUNNER}.{runner}.cancel"


def log(project: str) -> str:
    return f"{LOG}.{project}"


def inbound(project: str, type_: str) -> str:
    """Where another system publishes an event; the dots of its type part the subject further."""
    return f"{INBOUND}.{project}.{type_}"


def project_and_type_of_inbound(subject: str) -> tuple[str, str]:
    """What the subject says of its event; either is empty if it says nothing."""
    project, _, type_ = subject.removeprefix(f"{INBOUND}.").partition(".")
    return project, type_
