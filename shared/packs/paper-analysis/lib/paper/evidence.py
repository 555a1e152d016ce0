"""Everything in a paper that can be checked, gathered; written by extract-evidence, read by what checks."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from paper.claims import Claim, claims_in
from paper.document import Document
from paper.flow import Flow
from paper.links import Link, links_in
from paper.repositories import Repository, is_archive, repositories_in
from paper.statements import Statement, statements_in
from paper.statistics import Statistic, statistics_in

STATISTICS_MAX = 1_000
STATEMENTS_MAX = 200


@dataclass(frozen=True)
class Evidence:
    links: tuple[Link, ...]
    repositories: tuple[Repository, ...]
    archives: tuple[str, ...]
    statements: tuple[Statement, ...]
    statistics: tuple[Statistic, ...]
    claims: tuple[Claim, ...]

    def counts(self) -> dict[str, Any]:
        return {
            "links": len(self.links),
            "links_by_kind": dict(Counter(link.kind for link in self.links)),
            "broken_over_lines": sum(link.broken_over_lines for link in self.links),
            "repositories": len(self.repositories),
            "archives": len(self.archives),
            "statements": dict(Counter(each.subject for each in self.statements)),
            "statistics": dict(Counter(each.kind for each in self.statistics)),
            "p_values": dict(Counter(each.verdict for each in self.statistics if each.p is not None)),
            "claims": len(self.claims),
            "claims_without_support": sum(not claim.supports for claim in self.claims),
        }


def evidence_in(document: Document) -> Evidence:
    flows = flows_of(document)
    links = links_in(document)
    return Evidence(
        links=tuple(links),
        repositories=tuple(repositories_in(links, [page.text for page in document.pages])),
        archives=tuple(link.url for link in links if is_archive(link.url)),
        statements=tuple(statements_in(document, flows))[:STATEMENTS_MAX],
        statistics=tuple(each for flow in flows for each in statistics_in(flow))[:STATISTICS_MAX],
        claims=tuple(claims_in(document, flows)),
    )


def flows_of(document: Document) -> Sequence[Flow]:
    """Pages whose sentences end where a heading begins or ends; the first of a section may be a word inside it."""
    breaks: dict[int, list[int]] = {page.number: [] for page in document.pages}
    for section in document.sections:
        text = document.text_of(section.page)
        end = text.find("\n", section.start)
        is_whole_line = text[section.start : end].rstrip(" :").endswith(section.title)
        breaks[section.page] += [section.start, *([end + 1] if is_whole_line and end >= 0 else [])]
    return [Flow(page.number, page.text, breaks=breaks[page.number]) for page in document.pages if page.text]


def write_evidence(evidence: Evidence, path: Path) -> str:
    path.write_text(json.dumps(asdict(evidence), ensure_ascii=False), encoding="utf-8")
    return str(path)


def load_evidence(path: Path) -> Evidence:
    return msgspec.json.decode(path.read_bytes(), type=Evidence)
