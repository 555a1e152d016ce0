"""An event from another system (CloudEvents 1.0): as it is sent, and as Penstock keeps it."""

from datetime import datetime
from typing import Literal

import msgspec

from penstock.contracts.names import RESERVED_TYPE_PREFIX
from penstock.contracts.value import Value, replace
from penstock.contracts.wire import decode, encode, raw
from penstock.contracts.workflow import Json

ALERT_MEMBERS = (
    "status",
    "labels",
    "annotations",
    "startsAt",
    "endsAt",
    "generatorURL",
    "fingerprint",
    "groupKey",
    "receiver",
    "externalURL",
    "groupLabels",
    "commonLabels",
    "commonAnnotations",
)
"""The data of an alert's event: what Alertmanager's webhook says of the alert and of its group."""


class SentEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """A CloudEvent in its JSON format, on `penstock.in.<project>.<type>` or in a request.

    `source` and `id` together name the event: a second one of the same name is not taken again. Further
    attributes (extensions) are kept: lower-case letters and digits; a text, a whole number or a boolean.
    """

    specversion: Literal["1.0"]
    id: str
    source: str  # a URI reference
    type: str
    subject: str | msgspec.UnsetType = msgspec.UNSET
    time: datetime | msgspec.UnsetType = msgspec.UNSET
    datacontenttype: str | msgspec.UnsetType = msgspec.UNSET
    dataschema: str | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data_base64: str | msgspec.UnsetType = msgspec.UNSET


class InboundEvent(Value, frozen=True, kw_only=True):
    """A checked event. `data` is JSON; `attributes` a JSON object with every attribute that has no field here.

    `seq` numbers events in the order of their arrival; it and `received_at` come with the commit.
    """

    project: str
    source: str
    id: str
    type: str
    subject: str | None = None
    time: datetime | None = None
    data: bytes = b"null"
    attributes: bytes = b"{}"
    seq: int = 0
    received_at: datetime | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it this event and no other."""
        return self.project, self.source, self.id

    def in_trace(self, traceparent: str | None) -> "InboundEvent":
        """With the trace of the request that brought it, unless it names one itself (a CloudEvents extension)."""
        others = msgspec.json.decode(self.attributes, type=dict[str, Json])
        if traceparent is None or "traceparent" in others:
            return self
        return replace(self, attributes=encode({**others, "traceparent": traceparent}))

    def document(self) -> dict[str, Json]:
        """The event as expressions see it. What was not sent is null, so that a comparison with it is false."""
        others = msgspec.json.decode(self.attributes, type=dict[str, msgspec.Raw])
        known = {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": self.time,
            "data": raw(self.data),
        }
        return decode(encode(known | others), dict[str, Json])


def alert_type(status: str) -> str:
    """The type of the event that an alert becomes; its data are the alert's fields, as Alertmanager names them."""
    return f"{RESERVED_TYPE_PREFIX}alert.{status}"


def topic_of(project: str, type_: str) -> str:
    """What a node waits for and an event is about: `node.topic`. A project's name has no slash."""
    return f"{project}/{type_}"


def project_and_type_of(topic: str) -> tuple[str, str]:
    project, _, type_ = topic.partition("/")
    return project, type_
