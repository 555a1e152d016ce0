"""A paragraph by a language model above what was counted and quoted."""

import json
from collections.abc import Mapping
from typing import Any

from penstock.agents import llm

_FACTS_CHARS_MAX = 12_000
_ONLY_FACTS = (
    " Say only what the facts below say; no names, figures or praise of your own. Answer with the text alone."
)


def headline_by_model(counted: str, sections: Mapping[str, Any], *, model: str) -> str:
    """At most three sentences about the period."""
    system = "You write the opening of a work report, at most three plain sentences." + _ONLY_FACTS
    told = {name: [item["text"] for item in items] for name, items in sections.items()}
    facts = json.dumps({"counted": counted, **told}, ensure_ascii=False)[:_FACTS_CHARS_MAX]
    return str(llm.ask(facts, system=system, model=model)).strip() or counted


def summary_by_model(resume: Mapping[str, Any], *, model: str) -> str:
    """The summary at the top of a résumé."""
    system = (
        "You write the summary of a résumé, at most three plain sentences, in the third person." + _ONLY_FACTS
    )
    facts = json.dumps({"work": resume["work"], "skills": resume["skills"]}, ensure_ascii=False)[
        :_FACTS_CHARS_MAX
    ]
    return str(llm.ask(facts, system=system, model=model)).strip() or str(resume["basics"]["summary"])
