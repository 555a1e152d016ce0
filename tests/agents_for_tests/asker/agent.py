"""Works, asks, works on and asks again; keeps in its checkpoint how often it did each piece of work."""

from typing import Any

from penstock.agents import agent, context

FORM = {"type": "object", "required": ["window"], "properties": {"window": {"type": "string"}}}


@agent
def asker(what: str = "it", assignees: list[str] | None = None) -> dict[str, Any]:
    """Twice at most: a first no is the end."""
    done: dict[str, int] = context.checkpoint.load() or {}
    first = context.ask(
        "build", f"Build {what}?", details={"tool": "build", "of": what}, assignees=assignees or ()
    )
    if not first:
        return {"done": done, "refused": first.comment}
    if "build" not in done:
        done["build"] = context.attempt
        context.checkpoint.save(done)
    second = context.ask("ship", f"Ship {what}?", form=FORM)
    return {"done": done, "window": second.fields.get("window"), "by": [first.by, second.by]}


if __name__ == "__main__":
    asker.run()
