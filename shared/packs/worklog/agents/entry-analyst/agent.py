"""Says what entries are about. An entry that was looked into in the same way before is not looked into again."""

from typing import Any

from worklog.asking import ask_about
from worklog.books import analyses_between, entries_between, write_all
from worklog.looking import look_at
from worklog.method import MODEL, Method, uses_model

from penstock.agents import agent, context, store


@agent
def analyse(user: str, first: str, last: str, method: Method = "auto") -> dict[str, Any]:
    """The entries with keys from `first` to `last`."""
    with_model = uses_model(method)
    name = "model" if with_model else "rules"
    writes, unchanged, dropped = [], 0, 0
    entries = entries_between(user, first, last)
    analyses = analyses_between(user, first, last)
    for done, (key, entry) in enumerate(entries.items(), start=1):
        before = analyses.get(key)
        if before and (before["digest"], before["method"]) == (entry["digest"], name):
            unchanged += 1
            continue
        title, text = entry["title"], entry["text"]
        found = ask_about(title, text, model=MODEL) if with_model else look_at(text, title)
        dropped += found.dropped
        about = {"user": user, "day": entry["day"], "entry": key, "digest": entry["digest"]}
        writes.append(store.put("analyses", key, {**about, **found.row()}))
        context.progress(done, len(entries), key)
    write_all(writes)
    return {
        "entries": len(entries),
        "analysed": len(writes),
        "unchanged": unchanged,
        "dropped": dropped,
        "method": name,
    }


if __name__ == "__main__":
    analyse.main()
