"""What became of a link that was asked."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

NOT_ON_LIST = "not checked: not on the allow-list"


@dataclass(frozen=True)
class Checked:
    """`state`: ok, broken (gone, or no such thing), unreachable (nobody can say) or not_allowed."""

    url: str
    state: str
    note: str
    status: int | None = None
    final_url: str = ""
    page: int = 0
    kind: str = "web"


def counts_of(results: Iterable[Checked]) -> dict[str, int]:
    return {
        "ok": 0,
        "broken": 0,
        "unreachable": 0,
        "not_allowed": 0,
        **Counter(each.state for each in results),
    }
