"""Language models for agents: `from penstock.agents import llm`.

    reply = llm.chat([{"role": "user", "content": "…"}])        # reply.text, reply.tool_calls, reply.usage
    facts = llm.ask("What is claimed?", schema=CLAIMS)           # checked JSON
    done = llm.converse(messages, tools=[llm.tool(search), llm.tool(delete, approval=True)])

`model` is a name of agent.yaml's `models` that the operator has configured. Calls are metered, count against budgets,
and are answered from memory when a retried attempt asks the same again: so ask in the same order with the same words.
Raises NoModel when none is configured, RateLimited, TimedOut, NetworkFailed (another attempt may help), Invalid,
ModelRefused, LimitReached, BudgetSpent (it will not), all from penstock.agents.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from penstock.agents.attempt import in_thread
from penstock.agents.conversation import Conversation, Tool, converse, tool
from penstock.agents.errors import Invalid, LimitReached, ModelRefused
from penstock.agents.model_calls import DEFAULT, model_named, model_names, post
from penstock.agents.model_replies import Reply, ToolCall, Used, parsed, reply_of

__all__ = [
    "Conversation",
    "Reply",
    "Tool",
    "ToolCall",
    "Used",
    "ask",
    "ask_async",
    "chat",
    "chat_async",
    "converse",
    "converse_async",
    "embed",
    "embed_async",
    "models",
    "tool",
]

Message = dict[str, Any]
Schema = dict[str, Any]


def models() -> list[str]:
    """Names that this agent may call and that the operator has configured. Empty: none."""
    return model_names()


def chat(
    messages: Sequence[Message],
    *,
    model: str = DEFAULT,
    tools: Sequence[Message] | None = None,
    schema: Schema | None = None,
    max_tokens: int | None = None,
    temperature: float | None = None,
) -> Reply:
    """One answer. With a JSON Schema it is parsed and checked into `data`; a model that answers with something else
    is told what is wrong, once."""
    body: dict[str, Any] = {"model": model_named(model), "messages": list(messages)}
    given = {"tools": list(tools) if tools else None, "max_tokens": max_tokens, "temperature": temperature}
    body |= {name: value for name, value in given.items() if value is not None}
    if schema is None:
        return reply_of(post("chat/completions", body))
    body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    return _structured(body, schema)


def ask(prompt: str, *, system: str = "", schema: Schema | None = None, model: str = DEFAULT) -> Any:
    """The answer's text, or its data when a schema is given."""
    messages = [{"role": "system", "content": system}] if system else []
    reply = chat([*messages, {"role": "user", "content": prompt}], model=model, schema=schema)
    if reply.refusal:
        raise ModelRefused(f"{reply.model}: {reply.refusal}")
    return reply.text if schema is None else reply.data


def embed(texts: Sequence[str], *, model: str = "embeddings") -> list[list[float]]:
    """A vector for each text."""
    body = {"model": model_named(model), "input": list(texts), "encoding_format": "float"}
    rows = sorted(post("embeddings", body)["data"], key=lambda row: row["index"])
    return [row["embedding"] for row in rows]


async def chat_async(messages: Sequence[Message], **options: Any) -> Reply:
    return await in_thread(chat, messages, **options)


async def ask_async(prompt: str, **options: Any) -> Any:
    return await in_thread(ask, prompt, **options)


async def embed_async(texts: Sequence[str], **options: Any) -> list[list[float]]:
    return await in_thread(embed, texts, **options)


async def converse_async(messages: Sequence[Message], **options: Any) -> Conversation:
    return await in_thread(converse, messages, **options)


def _structured(body: dict[str, Any], schema: Schema) -> Reply:
    reply = reply_of(post("chat/completions", body))
    if reply.tool_calls:
        return reply  # the data comes when the tools have answered
    data, problems = _checked(reply, schema)
    if not problems:
        return replace(reply, data=data)
    again = {**body, "messages": [*body["messages"], reply.message, _repair(problems, schema)]}
    second = reply_of(post("chat/completions", again))
    data, problems = _checked(second, schema)
    if problems:
        raise Invalid(
            f"{second.model} answers twice with what does not fit the schema: {'; '.join(problems)}"
        )
    return replace(second, data=data, usage=reply.usage.plus(second.usage))


def _checked(reply: Reply, schema: Schema) -> tuple[Any, list[str]]:
    if reply.refusal:
        raise ModelRefused(f"{reply.model}: {reply.refusal}")
    if reply.finish_reason == "length":
        raise LimitReached(f"{reply.model}: the answer was cut off after {reply.usage.tokens_out} tokens")
    return parsed(reply.text, schema)


def _repair(problems: list[str], schema: Schema) -> Message:
    found = "\n".join(f"- {problem}" for problem in problems)
    wanted = json.dumps(schema, ensure_ascii=False)
    content = f"That answer cannot be used:\n{found}\nAnswer again, with JSON only, which fits this schema:\n{wanted}"
    return {"role": "user", "content": content}
