"""What an agent asks people, and what they answer."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class Answer:
    """A person's answer. `fields` fits the question's form; `comment` may be empty. True if it is a yes."""

    __slots__ = ("approved", "by", "comment", "fields")

    def __init__(
        self, *, approved: bool, by: str, comment: str = "", fields: "dict[str, Any] | None" = None
    ) -> None:
        self.approved, self.by, self.comment, self.fields = approved, by, comment, fields or {}

    def __bool__(self) -> bool:
        return self.approved

    def __repr__(self) -> str:
        told = f"approved={self.approved}, by={self.by!r}, comment={self.comment!r}, fields={self.fields!r}"
        return f"Answer({told})"


def ask(
    key: str,
    message: str,
    *,
    details: object,
    form: "dict[str, Any] | None",
    assignees: "Sequence[str]",
    no_self_approval: bool,
) -> Answer:
    from penstock.agents.gateway import call, json_of
    from penstock.agents.serialise import plain

    asked = {
        "key": key,
        "message": message,
        "details": plain(details),
        "form": form,
        "assignees": list(assignees),
        "no_self_approval": no_self_approval,
    }
    return Answer(**json_of(call("POST", "/v1/questions", json=asked)))
