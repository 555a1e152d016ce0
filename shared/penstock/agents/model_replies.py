"""What a model answered, as an agent reads it: text, structured data, calls of tools, and what it used."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

_FENCED = re.compile(r"\A\s*```[a-zA-Z]*\s*\n(.*?)\n?```\s*\Z", re.DOTALL)
_THOUGHTS = re.compile(
    r"\A\s*<think>.*?</think>\s*", re.DOTALL
)  # reasoning models of servers that do not part it
PROBLEMS_MAX = 10  # told to a model at once
PROBLEM_CHARS_MAX = 300


@dataclass(frozen=True)
class ToolCall:
    """A tool that the model wants called. `problem` says why its arguments are no JSON object, if they are none."""

    id: str
    name: str
    arguments: dict[str, Any]
    text: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Used:
    """Tokens of one call, or of all calls of a conversation."""

    tokens_in: int = 0
    tokens_out: int = 0

    def plus(self, other: "Used") -> "Used":
        return Used(self.tokens_in + other.tokens_in, self.tokens_out + other.tokens_out)


@dataclass(frozen=True)
class Reply:
    """One answer. `data` is there when a schema was given; `finish_reason` as the provider says it.

    `message` is what to append to the messages in order to go on with the conversation.
    """

    text: str
    data: Any = None
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Used = Used()
    model: str = ""
    finish_reason: str = ""
    refusal: str = ""
    message: dict[str, Any] = field(default_factory=dict)


def reply_of(document: Any) -> Reply:
    """The first choice of a chat completion."""
    choice = document["choices"][0]
    message, usage = choice["message"], document.get("usage") or {}
    return Reply(
        text=message.get("content") or "",
        tool_calls=tuple(_tool_call(call) for call in message.get("tool_calls") or ()),
        usage=Used(int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)),
        model=str(document.get("model") or ""),
        finish_reason=str(choice.get("finish_reason") or ""),
        refusal=str(message.get("refusal") or ""),
        message={name: value for name, value in message.items() if value is not None},
    )


def parsed(text: str, schema: dict[str, Any]) -> tuple[Any, list[str]]:
    """The JSON in an answer, and what the schema has against it; models like to wrap it in a code block."""
    inner = _THOUGHTS.sub("", text)
    fenced = _FENCED.match(inner)
    try:
        value = json.loads(fenced[1] if fenced else inner)
    except ValueError as error:
        return None, [f"the answer is no JSON: {error}"]
    return value, problems_of(value, schema)


def problems_of(value: Any, schema: dict[str, Any]) -> list[str]:
    """What a JSON Schema has against a value."""
    import jsonschema_rs  # only for those who give a schema

    validator = jsonschema_rs.Draft202012Validator(schema, offline=True)
    found: list[str] = []
    for error in validator.iter_errors(value):
        where = ".".join(str(step) for step in error.instance_path) or "the answer"
        found.append(f"{where}: {error.message}"[:PROBLEM_CHARS_MAX])
        if len(found) == PROBLEMS_MAX:
            break
    return found


def _tool_call(call: Any) -> ToolCall:
    function = call["function"]
    text = function.get("arguments") or "{}"
    try:
        arguments = json.loads(text)
    except ValueError as error:
        return ToolCall(call["id"], function["name"], {}, text, f"the arguments are no JSON: {error}")
    if not isinstance(arguments, dict):
        return ToolCall(call["id"], function["name"], {}, text, "the arguments are no JSON object")
    return ToolCall(call["id"], function["name"], arguments, text)
