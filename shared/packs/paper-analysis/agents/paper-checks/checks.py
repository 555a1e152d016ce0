"""The agent paper-checks: checks a paper's text, by rules and, where there is one, with a language model."""

from typing import Any

from paper.document import Document, load_document
from paper.evidence import evidence_in, flows_of
from paper.finding import Finding, write_findings
from paper.handing import file_in, keep, out
from paper.paper_model import judged
from paper.paper_rules import paper_findings

from penstock.agents import (
    BudgetSpent,
    Invalid,
    LimitReached,
    NotAllowed,
    NotAuthenticated,
    agent,
    context,
    llm,
)

_HANDED_ON = ("facts", "title", "pages", "characters", "two_column_pages", "scanned", "references")


@agent
def checks(text: dict[str, Any], use_model: bool = True) -> dict[str, Any]:
    """Findings about the paper, each with its places; `method` says who found them."""
    document = load_document(file_in(text, "document", of="paper-text"))
    by_rules = paper_findings(document, evidence_in(document))
    findings, how = _with_model(document, by_rules) if use_model and llm.models() else (by_rules, _BY_RULES)
    context.log(f"{len(findings)} findings by {how['method']}")
    handed = {key: text[key] for key in _HANDED_ON if key in text}
    return {"findings": write_findings(findings, out("paper-findings.json")), **how, "paper": handed}


_BY_RULES: dict[str, Any] = {"method": "rules", "pieces": 0, "pieces_left_out": 0, "dropped_quotes": 0}


def _with_model(document: Document, by_rules: list[Finding]) -> tuple[list[Finding], dict[str, Any]]:
    """By the model; by rules if it cannot do this paper. What another attempt may cure is left to one."""

    def save(state: dict[str, Any], done: int, total: int) -> None:
        keep(state)
        context.progress(done, total, "pieces judged")

    try:
        answer = judged(document, flows_of(document), by_rules, saved=context.checkpoint.load(), save=save)
    except BudgetSpent:
        raise
    except (Invalid, LimitReached, NotAllowed, NotAuthenticated) as error:
        context.log(f"without the model: {error}")
        return by_rules, {**_BY_RULES, "model_error": str(error)[:500]}
    how = {
        "method": "model",
        "pieces": answer.pieces,
        "pieces_left_out": answer.pieces_left_out,
        "dropped_quotes": answer.dropped,
    }
    return answer.findings, how


if __name__ == "__main__":
    checks.main()
