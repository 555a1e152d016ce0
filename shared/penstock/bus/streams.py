"""Streams and durable consumers, declared idempotently: at start, and again whenever one is missing."""

from collections.abc import Sequence
from datetime import timedelta

from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, DiscardPolicy, RetentionPolicy, StreamConfig
from nats.js.client import JetStreamContext
from nats.js.errors import APIError, BadRequestError, NotFoundError

from penstock.contracts.subjects import STREAMS, Stream

ACK_WAIT = timedelta(seconds=30)  # a runner that died after pulling: the message comes again
ACK_PENDING_MAX = 20_000
PULLS_WAITING_MAX = 2_048


def stream_config(stream: Stream) -> StreamConfig:
    return StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        retention=RetentionPolicy.WORK_QUEUE if stream.work_queue else RetentionPolicy.LIMITS,
        discard=DiscardPolicy.OLD,
        max_age=stream.age_max.total_seconds() if stream.age_max else 0,
        max_bytes=stream.bytes_max or -1,
        allow_direct=stream.direct,
    )


async def declare_streams(jetstream: JetStreamContext) -> None:
    """Create what is missing, update what differs."""
    for stream in STREAMS:
        config = stream_config(stream)
        try:
            await jetstream.add_stream(config)
        except BadRequestError:
            await jetstream.update_stream(config)


async def declare_consumer(
    jetstream: JetStreamContext,
    *,
    stream: str,
    durable: str,
    subject: str | Sequence[str],
    deliver_new: bool = False,
    ack_wait: timedelta = ACK_WAIT,
    description: str | None = None,
) -> None:
    """Create the pull consumer `durable` of one or more subjects, or update it; parked pulls stay parked."""
    subjects = [subject] if isinstance(subject, str) else list(subject)
    assert subjects, "a consumer without a filter would take the whole stream"
    config = ConsumerConfig(
        durable_name=durable,
        description=description,
        filter_subject=subjects[0] if len(subjects) == 1 else None,
        filter_subjects=subjects if len(subjects) > 1 else None,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ack_wait.total_seconds(),
        deliver_policy=DeliverPolicy.NEW if deliver_new else DeliverPolicy.ALL,
        max_ack_pending=ACK_PENDING_MAX,
        max_waiting=PULLS_WAITING_MAX,
    )
    await jetstream.add_consumer(stream, config)


async def remove_narrower(
    jetstream: JetStreamContext, *, stream: str, durable: str, subject: Sequence[str]
) -> None:
    """Delete the consumer if it does not take all of `subject`; then declare it.

    A consumer never goes back: messages that it has passed over, only a new one delivers. What the old one
    had delivered and nobody acknowledged comes a second time.
    """
    try:
        config = (await jetstream.consumer_info(stream, durable)).config
    except NotFoundError:
        return
    if not set(subject) <= {*(config.filter_subjects or ()), config.filter_subject}:
        await jetstream.delete_consumer(stream, durable)


async def is_declared(jetstream: JetStreamContext, *, stream: str, durable: str) -> bool:
    try:
        await jetstream.consumer_info(stream, durable)
    except NotFoundError:
        return False
    except APIError as error:
        if error.err_code == 10059:  # stream not found
            return False
        raise
    return True
