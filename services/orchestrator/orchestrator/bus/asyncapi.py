"""`python -m orchestrator.bus.asyncapi > docs/asyncapi.yaml`: what travels on the bus, as AsyncAPI 3."""

import re
import sys
from typing import NamedTuple

import yaml

from orchestrator.bus.event_schemas import Schema, schema_of, schema_of_event
from penstock.contracts import subjects
from penstock.contracts.inbound import SentEvent
from penstock.contracts.messages import (
    CancelAttempt,
    CheckpointAnswer,
    CheckpointLoad,
    CheckpointSave,
    ClaimAnswer,
    ClaimRequest,
    Hello,
    LogLines,
    Progress,
    RenewAnswer,
    RenewRequest,
    Results,
    StartNode,
)
from penstock.contracts.model_messages import (
    ModelCallBegin,
    ModelCallEnd,
    ModelCallEnded,
    ModelCallVerdict,
)
from penstock.contracts.store_messages import (
    StoreRead,
    StoreReadAnswer,
    StoreUndo,
    StoreUndoAnswer,
    StoreWrite,
    StoreWriteAnswer,
)
from penstock.contracts.timeline import Kind
from penstock.contracts.workflow import Json

EVENTS = "events"  # the channel of what other systems read
_CLOUD_EVENT = "application/cloudevents+json"
_RPC = f"{subjects.RPC}.{{pool}}"


class Channel(NamedTuple):
    """A subject, and what travels on it; `answer` goes to the inbox that the request names."""

    address: str
    message: type
    purpose: str
    answer: type | None = None
    action: str = "receive"  # as the orchestrator sees it


CHANNELS = (
    Channel(
        f"{subjects.READY}.{{pool}}.{{agent}}",
        StartNode,
        "An attempt that a runner may claim. Stream NODES.",
        action="send",
    ),
    Channel(
        f"{subjects.RUNNER}.{{runner}}.cancel",
        CancelAttempt,
        "A hint to stop an attempt; the renewal's answer counts.",
        action="send",
    ),
    Channel(f"{subjects.DONE}.{{pool}}", Results, "Up to 64 results of attempts. Stream RESULTS."),
    Channel(f"{_RPC}.claim", ClaimRequest, "Asks for the right to attempts.", ClaimAnswer),
    Channel(f"{_RPC}.renew", RenewRequest, "Extends leases.", RenewAnswer),
    Channel(f"{_RPC}.announce", Hello, "A runner, its agents and its sandbox.", dict),
    Channel(f"{_RPC}.checkpoint-save", CheckpointSave, "Keeps where an attempt is.", CheckpointAnswer),
    Channel(f"{_RPC}.checkpoint-load", CheckpointLoad, "Where an earlier attempt was.", CheckpointAnswer),
    Channel(f"{_RPC}.model-begin", ModelCallBegin, "May a model be called.", ModelCallVerdict),
    Channel(f"{_RPC}.model-end", ModelCallEnd, "What the call of a model took.", ModelCallEnded),
    Channel(f"{_RPC}.store-read", StoreRead, "Reads rows of a store.", StoreReadAnswer),
    Channel(f"{_RPC}.store-write", StoreWrite, "Writes rows, all or none.", StoreWriteAnswer),
    Channel(f"{_RPC}.store-undo", StoreUndo, "Undoes what a node of the run wrote.", StoreUndoAnswer),
    Channel(f"{_RPC}.progress", Progress, "How far an attempt says it is; not answered."),
    Channel(f"{subjects.LOG}.{{project}}", LogLines, "Lines that an agent logged. Stream LOGS."),
)


def document() -> str:
    """The document as YAML."""
    return yaml.dump(_document(), Dumper=_WithoutAliases, sort_keys=True, width=110, allow_unicode=True)


def _document() -> Schema:
    channels: Schema = {EVENTS: _events(), "inbound": _inbound()}
    operations: Schema = {
        "tellEvents": _operation("send", EVENTS, "Publish a fact, in the order of each run."),
        "takeInbound": _operation("receive", "inbound", "Keep an event from another system, once."),
    }
    for channel in CHANNELS:
        name = channel.message.__name__
        channels[name] = _channel(channel.address, channel.purpose, {name: _message(channel.message)})
        operations[name] = _operation(channel.action, name, channel.purpose)
        if channel.answer is not None:
            answers = f"answerTo{name}"
            channels[answers] = _channel(None, "The inbox of who asked.", {answers: _message(channel.answer)})
            operations[name]["reply"] = {
                "address": {"location": "$message.header#/reply-to"},
                "channel": {"$ref": f"#/channels/{answers}"},
            }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Penstock",
            "version": "1",
            "description": "Durable DAG workflows for sandboxed agents, over NATS.",
        },
        "defaultContentType": "application/json",
        "servers": {"development": {"host": "localhost:4222", "protocol": "nats"}},
        "channels": channels,
        "operations": operations,
    }


def _events() -> Schema:
    purpose = (
        "The facts of runs as CloudEvents 1.0, id `<run>/<seq>`, for any other system. Stream EVENTS keeps them "
        "for 7 days. The numbers of a run have no gap; a message may come again, and with several "
        "orchestrators overtake another."
    )
    address = f"{subjects.EVENT}.{{project}}.{{workflow}}.{{kind}}"
    messages: Schema = {
        kind.value: {
            "name": f"penstock.{kind}",
            "contentType": _CLOUD_EVENT,
            "payload": schema_of_event(kind),
        }
        for kind in Kind
    }
    channel = _channel(address, purpose, messages)
    channel["parameters"]["kind"] = {
        "description": "Two tokens: run.started is heard under run.* too.",
        "enum": [kind.value for kind in Kind],
    }
    return channel


def _inbound() -> Schema:
    purpose = (
        "An event from any other system, CloudEvents 1.0. Project and type of the subject are those of the event. "
        "Stream INBOX. The same source and id again changes nothing."
    )
    structured = schema_of(SentEvent) | {
        "additionalProperties": {"type": ["string", "integer", "boolean"]},  # extensions
        "propertyNames": {"pattern": "^([a-z0-9]{1,63}|data_base64)$"},
    }
    header = {"type": "string", "minLength": 1}
    binary: Schema = {
        "type": "object",
        "properties": {"ce-specversion": {"const": "1.0"}, "content-type": {"type": "string"}}
        | {f"ce-{name}": header for name in ("id", "source", "type", "subject", "time", "dataschema")},
        "required": ["ce-specversion", "ce-id", "ce-source", "ce-type"],
        "additionalProperties": True,
    }
    messages: Schema = {
        "structured": {"name": "SentEvent", "contentType": _CLOUD_EVENT, "payload": structured},
        "binary": {"name": "SentEventInHeaders", "headers": binary, "payload": True},
    }
    return _channel(f"{subjects.INBOUND}.{{project}}.{{type}}", purpose, messages)


def _message(kind: type) -> Schema:
    schema = schema_of(kind)
    schema.pop("title", None)
    return {"name": kind.__name__, "payload": schema}


def _channel(address: str | None, purpose: str, messages: Schema) -> Schema:
    channel: Schema = {"address": address, "description": purpose, "messages": messages}
    names = re.findall(r"{(\w+)}", address or "")
    if names:
        channel["parameters"] = {name: {} for name in names}
    return channel


def _operation(action: str, channel: str, purpose: str) -> Schema:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": purpose}


class _WithoutAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Json) -> bool:
        return True


if __name__ == "__main__":
    sys.stdout.write(document())
