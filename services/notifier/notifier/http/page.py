"""What the OpenAPI page says of the notifier as a whole."""

from importlib import metadata

from penstock.contracts.names import NAME_PATTERN
from penstock.http.openapi import Page

_DESCRIPTION = """\
Takes alerts from Alertmanagers, and tells the outside world what happens in Penstock.

Every answer carries `X-Request-Id`. Errors are RFC 9457 problem documents; an input error lists each field."""

_TAGS = {
    "subscriptions": "Who is told of which events, and how.",
    "deliveries": "What was told to whom, and what became of it.",
    "alertmanager": "Webhooks of Alertmanagers, and what became of them.",
    "operations": "How the notifier is.",
}


def _tag(path: str) -> str:
    collection = path.removeprefix("/api/v1/").split("/")[0]
    if collection.startswith("alert"):
        return "alertmanager"
    return collection if collection in _TAGS else "operations"


PAGE = Page(
    title="Penstock notifier",
    version=metadata.version("penstock-notifier"),
    description=_DESCRIPTION,
    tags=_TAGS,
    tag_of=_tag,
    path_parameters={
        "name": ({"type": "string", "pattern": NAME_PATTERN}, "The subscription's name"),
        "delivery_id": ({"type": "string", "format": "uuid"}, "The delivery's id, also as `msg_…`"),
    },
    is_of_project=lambda path: path.startswith(("/api/v1/subscriptions", "/api/v1/deliveries")),
)
