"""Calls a model with tools, one of which needs approval; counts in its checkpoint how often it began."""

import socket
from typing import Any

from penstock.agents import TryAgain, agent, context, llm


@agent
def janitor(task: str, fails: bool = False) -> dict[str, Any]:
    """`fails`: the attempt that comes first to the end fails there."""
    seen: dict[str, Any] = context.checkpoint.load() or {"began": 0, "has_failed": False}
    seen["began"] += 1
    context.checkpoint.save(seen)

    def look() -> list[str]:
        return ["old.txt"]

    def delete(path: str) -> str:
        return f"{path} is gone"

    tools = [llm.tool(look), llm.tool(delete, approval=True)]
    done = llm.converse([{"role": "user", "content": task}], tools=tools, max_tokens=200)
    if fails and not seen["has_failed"]:
        context.checkpoint.save({**seen, "has_failed": True})
        raise TryAgain("something unrelated went wrong")
    return {"text": done.text, "began": seen["began"], "network": _reaches_anybody()}


def _reaches_anybody() -> bool:
    try:
        socket.create_connection(("192.0.2.1", 443), timeout=1).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    janitor.run()
