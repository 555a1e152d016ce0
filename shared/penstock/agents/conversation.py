"""A conversation with tools: the model asks for calls of functions, they are made, and it goes on until it is done."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.agents.attempt import context, variable
from penstock.agents.errors import BudgetSpent, InvalidInput, LimitReached, TryAgain
from penstock.agents.function import Arguments
from penstock.agents.model_calls import DEFAULT
from penstock.agents.model_replies import Reply, ToolCall, Used

ROUNDS_DEFAULT = 10
RESULT_CHARS_MAX = 60_000  # of one call of a tool: more would fill the context of most models
_ATTEMPTS_REMEMBERED_MAX = 1_000  # in one process that serves attempt after attempt

Message = dict[str, Any]


@dataclass(frozen=True)
class Tool:
    """A function that a model may call. `approval`: only after a person has agreed to the very arguments."""

    name: str
    description: str
    arguments: Arguments
    function: Callable[..., Any]
    approval: bool

    @property
    def declared(self) -> Message:
        """As the API wants it."""
        about = {"name": self.name, "description": self.description}
        return {"type": "function", "function": {**about, "parameters": self.arguments.input_schema()}}


@dataclass(frozen=True)
class Conversation:
    """How it ended: the last reply, all messages, and what all calls used together."""

    reply: Reply
    messages: tuple[Message, ...]
    usage: Used

    @property
    def text(self) -> str:
        return self.reply.text

    @property
    def data(self) -> Any:
        return self.reply.data


def tool(
    function: Callable[..., Any], *, approval: bool = False, name: str = "", description: str = ""
) -> Tool:
    """A function as a tool: its types become the schema of its arguments, its docstring the description."""
    inner = getattr(function, "__wrapped__", function)
    return Tool(
        name=name or inner.__name__,
        description=description or (inner.__doc__ or "").strip(),
        arguments=Arguments(inner),
        function=inner,
        approval=approval,
    )


def converse(
    messages: Sequence[Message],
    *,
    tools: Sequence[Tool],
    model: str = DEFAULT,
    rounds: int = ROUNDS_DEFAULT,
    schema: dict[str, Any] | None = None,
    max_tokens: int | None = None,
    temperature: float | None = None,
    assignees: tuple[str, ...] = (),
) -> Conversation:
    """Go on until the model calls no more tools, at most `rounds` times.

    Wrong arguments and a tool's errors are told to the model, which may do better. A tool with `approval` parks the
    attempt until a person answers; the next attempt gets to the same point (what tools did before is done again, so
    they should bear that), and a rejection is told to the model as the tool's answer.
    """
    from penstock.agents.llm import chat

    said, used = list(messages), Used()
    by_name = {each.name: each for each in tools}
    for _ in range(rounds):
        reply = chat(
            said,
            model=model,
            tools=[each.declared for each in tools],
            schema=schema,
            max_tokens=max_tokens,
            temperature=temperature,
        )
        used = used.plus(reply.usage)
        said.append(_sendable(reply))
        if not reply.tool_calls:
            return Conversation(reply, tuple(said), used)
        said.extend(_answer(call, by_name, assignees) for call in reply.tool_calls)
    raise LimitReached(f"{model} still wants to call tools after {rounds} rounds; allow more with rounds=…")


def _sendable(reply: Reply) -> Message:
    """The reply as a message. Some servers read the arguments in the history again and fail on malformed ones: the
    model sees them in the tool's answer instead."""
    message: Message = {"role": "assistant", **reply.message}
    if any(call.problem for call in reply.tool_calls):
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": "{}" if call.problem else call.text},
            }
            for call in reply.tool_calls
        ]
    return message


def _answer(call: ToolCall, tools: dict[str, Tool], assignees: tuple[str, ...]) -> Message:
    """The tool's answer, or why there is none, as a message for the model."""
    return {"role": "tool", "tool_call_id": call.id, "content": _result(call, tools, assignees)}


def _result(call: ToolCall, tools: dict[str, Tool], assignees: tuple[str, ...]) -> str:
    wanted = tools.get(call.name)
    if wanted is None:
        return _error(f"there is no tool '{call.name}'; there are: {', '.join(tools)}")
    if call.problem:
        return _error(f"{call.problem}; you wrote: {call.text}")
    try:
        arguments = wanted.arguments.read(call.arguments)
    except InvalidInput as error:
        return _error(str(error))
    if wanted.approval and (rejection := _rejection(call, assignees)):
        return rejection
    return _called(wanted, arguments)


def _called(wanted: Tool, arguments: dict[str, Any]) -> str:
    from penstock.agents.program import finished
    from penstock.agents.serialise import plain

    try:
        result = finished(wanted.function(**arguments))
    except (BudgetSpent, TryAgain):
        raise  # nothing that a model could do better
    except Exception as error:
        context.log(f"tool {wanted.name} failed: {type(error).__name__}: {error}")
        return _error(f"{type(error).__name__}: {error}")
    text = result if isinstance(result, str) else json.dumps(plain(result), ensure_ascii=False)
    if len(text) <= RESULT_CHARS_MAX:
        return text
    return f"{text[:RESULT_CHARS_MAX]}\n[cut off: the whole has {len(text):,} characters]"


def _rejection(call: ToolCall, assignees: tuple[str, ...]) -> str:
    """What to tell the model if a person says no; nothing if yes. Parks the attempt until there is an answer."""
    answer = context.ask(
        _question_key(call),
        f"May {call.name} be called?",
        details={"tool": call.name, "arguments": call.arguments},
        assignees=assignees,
    )
    if answer.approved:
        return ""
    reason = f": {answer.comment}" if answer.comment else ""
    return _error(f"{answer.by} rejected this call{reason}")


_asked: dict[str, Counter[str]] = {}


def _question_key(call: ToolCall) -> str:
    """The same question in every attempt: the tool, its arguments, and how often they were asked about before.

    An agreement holds for these arguments only, and once.
    """
    written = json.dumps([call.name, call.arguments], sort_keys=True)
    key = f"{call.name}-{hashlib.sha256(written.encode()).hexdigest()[:12]}"
    if len(_asked) >= _ATTEMPTS_REMEMBERED_MAX:
        _asked.clear()
    counts = _asked.setdefault(variable("ATTEMPT_KEY"), Counter())
    counts[key] += 1
    return f"{key}-{counts[key]}"


def _error(message: str) -> str:
    return json.dumps({"error": message}, ensure_ascii=False)
