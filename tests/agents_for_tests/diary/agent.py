"""Writes a log, says how far it is, saves where it is and looks at what was saved."""

from typing import Any

from penstock.agents import agent, context


@agent
def diary() -> dict[str, Any]:
    before = context.checkpoint.load()
    context.log("dear diary")
    context.progress(1, 2, "half of it")
    context.checkpoint.save({"page": 1})
    return {"before": before, "after": context.checkpoint.load()}


if __name__ == "__main__":
    diary.run()
