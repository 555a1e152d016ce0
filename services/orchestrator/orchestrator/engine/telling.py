"""A fact of a timeline as other systems see it."""

from msgspec import UNSET

from penstock.contracts.timeline import CloudEvent, TimelineEvent


def cloud_event(event: TimelineEvent, *, project: str, workflow: str, traceparent: str | None) -> CloudEvent:
    return CloudEvent(
        id=f"{event.run}/{event.seq}",
        source=f"/projects/{project}/workflows/{workflow}",
        type=f"penstock.{event.kind}",
        time=event.at,
        data=event.data,
        subject=event.node or UNSET,
        attempt=event.attempt or UNSET,
        traceparent=traceparent or UNSET,
    )
