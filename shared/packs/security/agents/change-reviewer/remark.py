"""A comment on one line of a change, whoever makes it."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Remark:
    """`source`: tools or model. `rules` are the tools' own names of what they found."""

    file: str
    line: int
    severity: str
    title: str
    text: str
    source: str
    rules: tuple[str, ...] = ()

    @classmethod
    def of_comment(cls, comment: dict[str, Any]) -> "Remark":
        """What code-reviewer wrote."""
        return cls(
            file=comment["file"],
            line=comment["line"],
            severity=comment["severity"],
            title=comment["title"],
            text=" ".join(part for part in (comment["why"], comment["suggestion"]) if part),
            source="tools",
            rules=tuple(dict.fromkeys(source["rule"] for source in comment["sources"])),
        )

    def document(self) -> dict[str, Any]:
        return asdict(self)
