"""Alertmanager itself (API v2): a failed run becomes an alert, resolved when the run goes on or ends well.

An alert is its labels, so both are made of what a run keeps: project, workflow and run.
"""

from collections.abc import Sequence
from datetime import timedelta

from notifier.channels.outbound import Outbound
from notifier.channels.port import Message, Told
from notifier.channels.reading import Source, secrets_of_url, shown_url, url
from penstock.contracts.limits import KIB
from penstock.contracts.timeline import Kind
from penstock.contracts.value import Value
from penstock.contracts.wire import encode
from penstock.contracts.workflow import Json
from penstock.definition.fields import Fields

KEYS = ("url", "severity", "lasts", "labels")
CONCURRENT_MAX = 4
LASTS_DEFAULT = timedelta(days=1)  # nobody renews it: without an end Alertmanager would resolve it in minutes
LASTS = (timedelta(minutes=1), timedelta(days=30))
ALERT_NAME = "PenstockRunFailed"
LABEL_CHARS_MAX = KIB
FIRES = frozenset({Kind.RUN_FAILED})
RESOLVES = frozenset({Kind.RUN_RETRIED, Kind.RUN_SUCCEEDED, Kind.RUN_CANCELLED, Kind.RUN_COMPENSATED})


class Options(Value, frozen=True):
    url: str
    severity: str = "warning"
    lasts: timedelta = LASTS_DEFAULT
    labels: dict[str, str] = {}


def read(fields: Fields, source: Source) -> Options:
    fields.only(KEYS)
    return Options(
        url(fields),
        severity=fields.text("severity", "warning"),
        lasts=fields.duration("lasts", LASTS_DEFAULT, least=LASTS[0], most=LASTS[1]),
        labels=_labels(fields),
    )


class Alertmanager:
    concurrent_max = CONCURRENT_MAX

    def __init__(self, options: Options, outbound: Outbound) -> None:
        self._options = options
        self._url = f"{options.url.rstrip('/')}/api/v2/alerts"
        self._outbound = outbound

    @property
    def target(self) -> str:
        return shown_url(self._options.url)

    @property
    def secrets(self) -> Sequence[str]:
        return secrets_of_url(self._options.url)

    async def send(self, message: Message) -> Told:
        if message.kind not in FIRES | RESOLVES:
            return Told(ok=True, answer=f"nothing sent: {message.kind} neither raises nor resolves an alert")
        body = encode([alert(message, self._options)])
        return await self._outbound.post(self._url, headers={"Content-Type": "application/json"}, body=body)


def alert(message: Message, options: Options) -> dict[str, Json]:
    fires = message.kind in FIRES
    ends_at = message.happened_at + (options.lasts if fires else timedelta(0))
    labels = {
        **options.labels,
        "alertname": ALERT_NAME,
        "severity": options.severity,
        "project": message.word("project"),
        "workflow": message.word("workflow"),
        "run": message.word("run"),
    }
    times = {"endsAt": ends_at.isoformat()} | ({"startsAt": message.happened_at.isoformat()} if fires else {})
    return {"labels": labels, "annotations": {"summary": message.text}, **times}


def _labels(fields: Fields) -> dict[str, str]:
    if "labels" not in fields:
        return {}
    given = fields.mapping("labels", fields.value["labels"], "names with texts")
    if given is None:
        return {}
    return {key: given.text(key)[:LABEL_CHARS_MAX] for key in given.value}
