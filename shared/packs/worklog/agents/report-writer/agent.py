"""Writes a stand-up or status report of a period, in sections."""

from typing import Any, Literal

from worklog.asking_reports import headline_by_model
from worklog.books import analyses_of, entries_of, log
from worklog.method import MODEL, Method, uses_model
from worklog.pages import write_pages
from worklog.period import period_of
from worklog.report import HEADINGS, figures_of, headline_of, latest_of, sections_of

from penstock.agents import Invalid, agent, store

TITLES = {"standup": "Stand-up", "status": "Status report"}


@agent
def write_report(
    user: str,
    kind: Literal["standup", "status"] = "status",
    since: str | None = None,
    until: str | None = None,
    method: Method = "auto",
) -> dict[str, Any]:
    """From the analyses of the period; entries that were not analysed are told."""
    latest = next(log.rows("entries", {"user": user}, order="day", descending=True, limit=1), None)
    first, last = period_of(kind, since, until, latest=latest.value["day"] if latest else None)
    entries, analyses = entries_of(user, first, last), analyses_of(user, first, last)
    if not entries:
        raise Invalid(f"user: '{user}' has no entries from {first} to {last}")
    sections, figures = sections_of(analyses), figures_of(list(entries.values()), analyses)
    headline, with_model = headline_of(user, figures, sections), uses_model(method)
    shown, left_out = latest_of(sections)
    if with_model:
        headline = headline_by_model(headline, shown, model=MODEL)
    facts = {
        "user": user,
        "kind": kind,
        "since": first,
        "until": last,
        "headline": headline,
        "sections": shown,
        "figures": figures,
        "method": "model" if with_model else "rules",
    }
    log.write([store.put("reports", f"{user}/{kind}/{first}/{last}", facts)])
    title = f"{TITLES[kind]}: {user}, {first} to {last}"
    pages = write_pages("report", title=title, headings=HEADINGS, **{**facts, "sections": sections})
    return {**facts, **pages, "left_out": left_out, "not_analysed": len(entries) - len(analyses)}


if __name__ == "__main__":
    write_report.main()
