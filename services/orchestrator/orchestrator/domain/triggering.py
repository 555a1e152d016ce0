"""What a trigger makes of an event: nothing, the input of a run, or the reason why it cannot tell."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache

from penstock.contracts.inbound import InboundEvent
from penstock.contracts.limits import RUN_INPUT_BYTES_MAX
from penstock.contracts.names import RESERVED_KEY_PREFIX
from penstock.contracts.template import (
    Evaluate,
    Expression,
    ExpressionFailed,
    Template,
    TemplateError,
    compile_template,
    condition,
    holds,
)
from penstock.contracts.value import Value
from penstock.contracts.wire import Undecodable, decode, encode
from penstock.contracts.workflow import Json

COMPILED_MAX = 1_000  # triggers in memory
_OCCURRENCE = ("status", "fingerprint", "startsAt")  # what tells one occurrence of an alert from another


class Trigger(Value, frozen=True):
    """An event trigger of a workflow's latest version, or with `match` an alert trigger. JSON stands as text."""

    project: str
    workflow: str
    name: str
    type: str
    match: str | None
    condition: str | None
    input: str | None


class Wanted(Value, frozen=True):
    """A run with this input (JSON). Whoever starts it, and however often: with this `key` there is one."""

    key: str
    input: bytes


class Broken(Value, frozen=True):
    """The trigger's expressions fail on this event."""

    reason: str


def look_at(
    trigger: Trigger, event: InboundEvent, document: Mapping[str, Json], evaluate: Evaluate
) -> Wanted | Broken | None:
    """`document` is the event as expressions see it. None: the trigger does not mean this event."""
    data = document["data"]
    if trigger.match is not None and not _matches(trigger.match, data):
        return None
    context = {"event": document} if trigger.match is None else {"alert": data}
    try:
        if_, template = _compiled(trigger.condition, trigger.input)
        if if_ is not None and not holds(if_, evaluate, context):
            return None
        given = encode(template.render(evaluate, context))
    except (ExpressionFailed, TemplateError, Undecodable) as error:
        return Broken(str(error))
    if len(given) > RUN_INPUT_BYTES_MAX:
        return Broken(f"the run's input has {len(given)} bytes, the limit is {RUN_INPUT_BYTES_MAX}")
    return Wanted(_key(trigger, event, data), given)


def _matches(match: str, data: Json) -> bool:
    labels = data.get("labels") if isinstance(data, dict) else None
    return isinstance(labels, dict) and _labels(match).items() <= labels.items()


def _key(trigger: Trigger, event: InboundEvent, data: Json) -> str:
    """One run for each event, and for an alert one for each time that it fires, however often it is told."""
    occurrence = [data.get(field) for field in _OCCURRENCE] if trigger.match is not None else []
    if not all(occurrence) or not occurrence:
        return f"{RESERVED_KEY_PREFIX}event/{event.seq}/{trigger.workflow}/{trigger.name}"
    digest = hashlib.sha256(encode(occurrence)).hexdigest()[:32]
    return f"{RESERVED_KEY_PREFIX}alert/{digest}/{trigger.workflow}/{trigger.name}"


@lru_cache(maxsize=COMPILED_MAX)
def _compiled(if_: str | None, input: str | None) -> tuple[Expression | None, Template]:
    given: Json = {} if input is None else decode(input.encode(), object)
    return None if if_ is None else condition(if_), compile_template(given)


@lru_cache(maxsize=COMPILED_MAX)
def _labels(match: str) -> dict[str, str]:
    return decode(match.encode(), dict[str, str])
