"""The agent value-undo: puts the store back to what it was before the stages of this run wrote to it."""

from typing import Any

from value_lifecycle.book import STORE

from penstock.agents import agent, context, store


@agent
def undo(stages: list[str]) -> dict[str, Any]:
    """The last stage first. One that wrote nothing, or was undone before, changes nothing."""
    opened = store.open(STORE)
    undone = {}
    for stage in reversed(stages):
        undone[stage] = opened.undo(stage)
        context.log("undone", stage=stage, what=undone[stage])
    return {"undone": undone}


if __name__ == "__main__":
    undo.main()
