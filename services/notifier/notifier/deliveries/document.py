"""Reads a subscription's document, strictly: all that is wrong with it at once, each with its path.

events: [run.failed, "node.*"]
if: "${{ event.workflow == 'release' }}"
channel: {webhook: {url: "https://example.org/hook", secret: whsec_…}}
template: "${{ event.workflow }} failed: ${{ event.data.failure.message }}"
"""

from typing import Any

from notifier.channels.kinds import CHANNELS
from notifier.channels.reading import Source
from notifier.rules.kinds import pattern_of, problem_of
from notifier.rules.subscription import Rule
from penstock.contracts.limits import KIB
from penstock.contracts.names import did_you_mean
from penstock.contracts.template import (
    Expression,
    Template,
    TemplateError,
    compile_template,
    condition,
)
from penstock.contracts.value import Value
from penstock.contracts.wire import encode
from penstock.contracts.workflow import Json
from penstock.definition.document import Path, is_deeper
from penstock.definition.expressions import Expressions
from penstock.definition.fields import Fields
from penstock.definition.program import NotCompiled
from penstock.definition.report import Report

KEYS = ("events", "if", "channel", "template", "active")
DOCUMENT_BYTES_MAX = 64 * KIB
DEPTH_MAX = 16
EVENTS_MAX = 50
MEMBERS = (
    *("id", "source", "specversion", "type", "subject", "time", "datacontenttype", "data"),
    *("attempt", "traceparent", "project", "workflow", "run", "seq", "kind"),
)
"""What expressions may ask of `event`: the CloudEvent, and five members that say where it is from."""


class Read(Value, frozen=True):
    """`options` are what the channel's own reader gave."""

    rule: Rule
    options: Any
    active: bool


class DocumentReader:
    def __init__(self, expressions: Expressions) -> None:
        self._expressions = expressions

    def read(self, document: Json, source: Source, *, path: Path = (), name: str) -> Read:
        """Raises InvalidInput with every problem."""
        report = Report()
        found = self.look(document, source, path=path, report=report)
        report.raise_if_wrong(f"subscription '{name}'")
        assert found is not None, "a document without a problem says everything"
        return found

    def look(self, document: Json, source: Source, *, path: Path, report: Report) -> Read | None:
        """What the document says; of no use when the report has an error."""
        if not isinstance(document, dict):
            Fields({}, path, report).wrong_at(path, "a mapping with events and a channel", document)
            return None
        if is_deeper(document, DEPTH_MAX) or len(encode(document)) > DOCUMENT_BYTES_MAX:
            report.error(path, f"larger than {DOCUMENT_BYTES_MAX} bytes, or deeper than {DEPTH_MAX} levels")
            return None
        fields = Fields(document, path, report)
        fields.only(KEYS)
        events = _events(fields)
        kind, options = _channel(fields, source)
        rule = Rule(
            events=events,
            pattern=pattern_of(events),
            condition=self._condition(fields),
            channel_kind=kind,
            template=self._template(fields, takes_json=kind in CHANNELS and CHANNELS[kind].takes_json),
        )
        return Read(rule, options, fields.boolean("active", True))

    def _condition(self, fields: Fields) -> Expression | None:
        if "if" not in fields:
            return None
        text = fields.text("if")
        try:
            expression = condition(text)
        except TemplateError as error:
            fields.report.error(fields.at("if"), str(error))
            return None
        result = self._check(fields.at("if"), expression, fields.report)
        if result not in (None, "bool", "dyn"):
            message = f"an `if` gives true or false; {expression.source} gives {result}"
            fields.report.error(fields.at("if"), message)
        return expression

    def _template(self, fields: Fields, *, takes_json: bool) -> Template | None:
        if "template" not in fields:
            return None
        value = fields.value["template"]
        if isinstance(value, str) == takes_json or not isinstance(value, (str, dict)):
            fields.wrong("template", "a mapping, which is sent as JSON" if takes_json else "text", value)
            return None
        try:
            template = compile_template(value)
        except TemplateError as error:
            fields.report.error(fields.at("template"), str(error))
            return None
        for expression in template.expressions:
            self._check(fields.at("template"), expression, fields.report)
        return template

    def _check(self, path: Path, expression: Expression, report: Report) -> str | None:
        """The type of the result, or None if the expression is wrong, which is in the report."""
        for variable, *keys in expression.paths:
            if variable == "event" and keys and keys[0] not in MEMBERS:
                report.unknown(path, "member of event", keys[0], MEMBERS)
        try:
            return self._expressions.result_type(expression.cel, ("event",))
        except NotCompiled as error:
            for reason in error.reasons:
                report.error(path, f"in {expression.source}: {reason}")
        return None


def _events(fields: Fields) -> tuple[str, ...]:
    expected = "a list of kinds such as run.failed or node.*"
    if not fields.require("events", expected):
        return ()
    found = []
    for path, event in fields.texts("events", expected):
        if wrong := problem_of(event):
            fields.report.error(path, wrong)
        found.append(event)
    if not 0 < len(found) <= EVENTS_MAX and isinstance(fields.value["events"], list):
        fields.report.error(fields.at("events"), f"expected 1 to {EVENTS_MAX} kinds, got {len(found)}")
    return tuple(dict.fromkeys(found))


def _channel(fields: Fields, source: Source) -> tuple[str, Any]:
    expected = f"a mapping with one of {', '.join(CHANNELS)}"
    if not fields.require("channel", expected):
        return "", None
    given = fields.value["channel"]
    if not isinstance(given, dict):  # what stands there instead may be a secret
        fields.report.error(fields.at("channel"), f"expected {expected}")
        return "", None
    channel = Fields(given, fields.at("channel"), fields.report)
    if len(channel.value) != 1:
        fields.report.error(channel.path, f"expected exactly one of {', '.join(CHANNELS)}")
        return "", None
    ((kind, value),) = channel.value.items()
    if kind not in CHANNELS:
        hint = did_you_mean(kind, CHANNELS) or f"; expected one of {', '.join(CHANNELS)}"
        fields.report.error(channel.at(kind), f"no channel is '{kind[:60]}'{hint}")
        return "", None
    if not isinstance(value, dict):
        channel.report.error(channel.at(kind), f"expected a mapping with the options of {kind}")
        return kind, None
    return kind, CHANNELS[kind].read(Fields(value, channel.at(kind), channel.report), source)
