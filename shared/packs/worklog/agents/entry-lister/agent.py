"""Lists the entries of a person in batches, for others to look into at once."""

from typing import Any

from worklog.batches import batches_of
from worklog.books import entries_of

from penstock.agents import agent


@agent
def list_entries(user: str, since: str | None = None) -> dict[str, Any]:
    """Of a day or later."""
    keys = sorted(entries_of(user, since))
    return {"entries": len(keys), "batches": batches_of(keys)}


if __name__ == "__main__":
    list_entries.main()
