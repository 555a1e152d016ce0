"""Makes one record of each skill from all its evidence."""

from typing import Any

from worklog.books import replace_rows, table_of
from worklog.skills import borne_out, skills_of

from penstock.agents import agent


@agent
def merge(user: str) -> dict[str, Any]:
    """Evidence that is no longer in the entries goes first; a skill without any evidence goes, too."""
    entries, evidence = table_of("entries", user), table_of("evidence", user)
    kept = borne_out(evidence, entries)
    replace_rows("evidence", evidence, kept)
    skills = skills_of(user, kept)
    counts = replace_rows("skills", table_of("skills", user), skills)
    listed = sorted(skills.values(), key=lambda row: (-row["days"], row["skill"]))
    shown = [
        {name: row[name] for name in ("skill", "category", "level", "days", "why")} for row in listed[:100]
    ]
    return {"skills": len(skills), "evidence": len(kept), **counts, "strongest": shown}


if __name__ == "__main__":
    merge.main()
