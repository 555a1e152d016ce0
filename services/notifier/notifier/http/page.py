"""What the OpenAPI page says of the notifier as a whole."""

from importlib import metadata

from penstock.http.openapi import Page

_DESCRIPTION = """\
Takes alerts from Alertmanagers, and tells the outside world what happens in Penstock.

Every answer carries `X-Request-Id`. Errors are RFC 9457 problem documents; an input error lists each field."""

_TAGS = {
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
    path_parameters={},
    is_of_project=lambda path: path.startswith(("/api/v1/subscriptions", "/api/v1/deliveries")),
)
