"""What each service may do on the bus: one NATS user per service, with what it needs and nothing more.

    orchestrator   owns the streams and consumers; sends ready, events and cancel hints; answers rpc calls
    runner         takes its pool's ready messages, reports results and logs, calls rpc; sees no other pool
    notifier       reads events through its own durable consumer; sends alerts as events, sees if they were lost
    observer       any other system: reads events as they happen and again, and how full the streams are
    publisher      any other system: sends events of its own, and reads nothing

Everybody may subscribe below `_INBOX_<user>` only, so that nobody hears another's answers.
Lists allow, and `deny` takes away; what is not listed is refused. A denied publish shows as a timeout at the
client, and its reason in the client's error callback and in the server's log.
"""

from dataclasses import dataclass

from penstock.contracts import subjects
from penstock.contracts.names import POOL_DEFAULT, RESERVED_TYPE_PREFIX

ORCHESTRATOR = "orchestrator"
RUNNER = "runner"
NOTIFIER = "notifier"
OBSERVER = "observer"
PUBLISHER = "publisher"
CONSUMER_NOTIFIER = "notifier"  # on EVENTS; the orchestrator declares it, the notifier only pulls

_API = "$JS.API"
_STREAM_CALLS = ("INFO", "CREATE", "UPDATE")  # no DELETE, no PURGE: nobody needs to lose messages
_CONSUMER_CALLS = ("INFO", "CREATE", "DURABLE.CREATE", "DELETE")


@dataclass(frozen=True)
class Permissions:
    """Subjects that a user may publish to and subscribe to. `answers`: it may reply to a request, once.

    `deny`: what it may not publish all the same.
    """

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    answers: bool = False
    deny: tuple[str, ...] = ()


def inbox(user: str) -> str:
    """The prefix of a user's reply subjects."""
    return f"_INBOX_{user}"


def orchestrator(*, user: str = ORCHESTRATOR) -> Permissions:
    streams = [stream.name for stream in subjects.STREAMS]
    administer = [f"{_API}.STREAM.{call}.{stream}" for call in _STREAM_CALLS for stream in streams]
    declare = [f"{_API}.CONSUMER.{call}.{stream}.>" for call in _CONSUMER_CALLS for stream in streams]
    return Permissions(
        publish=(
            f"{subjects.READY}.>",
            f"{subjects.EVENT}.>",
            f"{subjects.RUNNER}.*.cancel",
            f"{_API}.INFO",
            f"{_API}.DIRECT.GET.{subjects.STREAM_EVENTS}",  # live views that come back
            *administer,
            *declare,
            *(f"{_API}.CONSUMER.LIST.{stream.name}" for stream in subjects.STREAMS),  # for the metrics
            *_pull(subjects.STREAM_RESULTS, subjects.CONSUMER_RESULTS),
            *_pull(subjects.STREAM_LOGS, subjects.CONSUMER_LOGS),
            *_pull(subjects.STREAM_INBOX, subjects.CONSUMER_INBOX),
        ),
        subscribe=(
            f"{inbox(user)}.>",
            f"{subjects.RPC}.>",
            f"{subjects.EVENT}.>",  # live views
            f"{subjects.LOG}.>",  # live tails
            "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
        ),
        answers=True,
    )


def runner(*, user: str = RUNNER, pool: str = POOL_DEFAULT, runner: str = "*") -> Permissions:
    """A runner of `pool`. With `runner` "*" several runners share one user, and see each other's cancel hints."""
    return Permissions(
        publish=(
            *_pull(subjects.STREAM_NODES, subjects.ready_consumer(pool)),
            subjects.done(pool),
            f"{subjects.RPC}.{pool}.>",
            f"{subjects.LOG}.>",  # a runner serves every project
        ),
        subscribe=(f"{inbox(user)}.>", subjects.runner_cancel(runner)),
    )


def notifier(*, user: str = NOTIFIER) -> Permissions:
    return Permissions(
        publish=(
            *_pull(subjects.STREAM_EVENTS, CONSUMER_NOTIFIER),
            f"{subjects.INBOUND}.>",  # an alert becomes an event, of any project
            stream_info(subjects.STREAM_INBOX),  # a new one has lost alerts
        ),
        subscribe=(f"{inbox(user)}.>", f"{subjects.EVENT}.>"),
    )


def observer(*, user: str = OBSERVER) -> Permissions:
    """Another system that reads events: live, again from a moment or a number, or where it had stopped.

    Two kinds of consumer on EVENTS are its own: nameless ones, which the server names and which end with their
    reader, and one that is called like the user. Names are whole tokens to NATS, so no pattern `observer-*` could
    keep it from others' consumers; and the server refuses a request whose body names another than its subject.
    As with every JetStream call, where the answer goes is the caller's word: an observer can have true events sent
    to any subject, and cannot write one.
    """
    assert user != CONSUMER_NOTIFIER, "that consumer is the notifier's"
    stream = subjects.STREAM_EVENTS
    return Permissions(
        publish=(
            f"{_API}.INFO",
            f"{_API}.STREAM.INFO.*",
            f"{_API}.STREAM.NAMES",
            f"{_API}.CONSUMER.INFO.*.*",
            f"{_API}.CONSUMER.NAMES.*",
            f"{_API}.CONSUMER.CREATE.{stream}",  # nameless; a body with a name is refused
            f"$JS.FC.{stream}.>",  # "go on sending"
            f"{_API}.CONSUMER.CREATE.{stream}.{user}",
            f"{_API}.CONSUMER.CREATE.{stream}.{user}.>",
            f"{_API}.CONSUMER.DURABLE.CREATE.{stream}.{user}",
            f"{_API}.CONSUMER.DELETE.{stream}.{user}",
            *_pull(stream, user),
        ),
        subscribe=(f"{inbox(user)}.>", f"{subjects.EVENT}.>"),
    )


def publisher(*, user: str = PUBLISHER, project: str = "*") -> Permissions:
    """Another system that sends events into `project`, or into any. Its inbox is for acknowledgements.

    It sends no event of a reserved type: it cannot make an alert up.
    """
    return Permissions(
        publish=(f"{subjects.INBOUND}.{project}.>",),
        subscribe=(f"{inbox(user)}.>",),
        deny=(subjects.inbound(project, f"{RESERVED_TYPE_PREFIX}>"),),
    )


def stream_info(stream: str) -> str:
    """Asks how a stream is, and when it was made."""
    return f"{_API}.STREAM.INFO.{stream}"


def _pull(stream: str, consumer: str) -> tuple[str, ...]:
    """Take and acknowledge messages of one durable consumer. An ack's subject has two forms, by server setting."""
    return (
        f"{_API}.CONSUMER.MSG.NEXT.{stream}.{consumer}",
        f"{_API}.CONSUMER.INFO.{stream}.{consumer}",
        f"$JS.ACK.{stream}.{consumer}.>",
        f"$JS.ACK.*.*.{stream}.{consumer}.>",
    )
