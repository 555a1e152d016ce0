"""Finds skills in entries, each with the place that bears it out."""

from typing import Any

from worklog.asking_skills import claims_in
from worklog.books import entries_between, log, replace_rows
from worklog.method import MODEL, Method, uses_model
from worklog.skills import claimed_evidence, evidence_in

from penstock.agents import agent, context


@agent
def extract(user: str, first: str, last: str, method: Method = "auto") -> dict[str, Any]:
    """From the entries with keys from `first` to `last`. What an entry no longer bears out is taken away."""
    with_model = uses_model(method)
    found, dropped = {}, 0
    entries = entries_between(user, first, last)
    for done, (key, entry) in enumerate(entries.items(), start=1):
        evidence = evidence_in(key, entry)
        if with_model:
            claimed, made_up = claimed_evidence(
                key, entry, claims_in(entry["title"], entry["text"], model=MODEL)
            )
            evidence, dropped = [*evidence, *claimed], dropped + made_up
        found |= {each.key: each.row() for each in reversed(evidence)}
        context.progress(done, len(entries), key)
    where = {"user": user, "entry": {">=": first, "<=": last}}
    before = {row.key: row.value for row in log.rows("evidence", where)}
    counts = replace_rows("evidence", before, found)
    return {"entries": len(entries), "evidence": len(found), **counts, "dropped": dropped}


if __name__ == "__main__":
    extract.main()
