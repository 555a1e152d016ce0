"""Checks of the paper's text by rules: what can be found without understanding it. Each rule is in the README."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from paper.document import Document
from paper.evidence import Evidence as Gathered
from paper.evidence import flows_of
from paper.finding import Finding, Outcome, by_share, quoted
from paper.flow import Flow, Place
from paper.paper_statistics import statistics_findings
from paper.sections import section_at

_METHODS_CHARACTERS_MIN = 400
_REFERENCES_MIN = 5
_SUPPORTED = (0.7, 0.4)  # share of claims with support in their sentence: good, some

_SAMPLE = (
    r"\b\d[\d,]* (?:participants|subjects|patients|samples|images|documents|respondents|instances|users"
    r"|repositories)\b"
)
_ENVIRONMENT = (
    r"\b(?:Python|R|PyTorch|TensorFlow|CUDA|NumPy|SciPy|scikit-learn|MATLAB|SPSS|Stata|Ubuntu|Linux|JAX|GCC|Java|Julia|"
    r"PostgreSQL)\s*(?:\(?v(?:ersion)?\.?\s*)?\d+(?:\.\d+)*"
    r"|\b(?:NVIDIA|Intel|AMD|Xeon|RTX|A100|V100|H100|TPU|\d+\s?(?:GB|GiB|cores))\b"
)
_RANDOMNESS = (
    r"\b(?:random )?seeds?\b|\b(?:averaged?|mean|repeated) (?:over|across) \d+ (?:runs|trials|seeds|folds)"
    r"|\b\d+ (?:independent )?(?:runs|repetitions|trials)\b|\bcross-validation\b|\brandomly assigned\b"
)
_SETTINGS = (
    r"\b(?:learning rate|batch size|epochs?|hyper-?parameters?|weight decay|dropout|optimi[sz]er|temperature|threshold"
    r"|sample rate|concentration|protocol)\b[^.]{0,60}?\d+(?:\.\d+)?"
)


@dataclass(frozen=True)
class Read:
    """The paper and what was gathered from it."""

    document: Document
    gathered: Gathered
    flows: Sequence[Flow]


def paper_findings(document: Document, gathered: Gathered) -> list[Finding]:
    read = Read(document, gathered, flows_of(document))
    checks: tuple[Callable[[Read], Finding], ...] = (
        _methods, _sample, _limitations, _declarations, _claims, _references, _environment, _randomness, _settings,
        _access("data"), _access("code"), _traceable,
    )  # fmt: skip
    return [*(check(read) for check in checks), *statistics_findings(gathered.statistics)]


def _methods(read: Read) -> Finding:
    sections = read.document.sections
    found = [each for each in sections if each.kind == "methods"]
    length = sum(
        _length(read.document, index) for index, each in enumerate(sections) if each.kind == "methods"
    )
    outcome: Outcome = "failed"
    if found:
        outcome = "passed" if length >= _METHODS_CHARACTERS_MIN else "partly"
    said = (
        f"a section '{found[0].title}' of {length:,} characters" if found else "no heading that names methods"
    )
    starts = [read.document.text_of(each.page).find(each.title, each.start) for each in found]
    places = [
        Place(each.page, start, start + len(each.title), each.title)
        for each, start in zip(found, starts, strict=True)
    ]
    return Finding("reporting", "methods", "Methods are described", outcome, said, 3, evidence=quoted(places))


def _sample(read: Read) -> Finding:
    sizes = [each.place for each in read.gathered.statistics if each.kind == "size"]
    return _worded(read, "reporting", "sample-size", "Sample sizes are given", _SAMPLE, 2, also=sizes)


def _environment(read: Read) -> Finding:
    title = "Software versions or hardware are named"
    return _worded(read, "reproducibility", "environment", title, _ENVIRONMENT, 2)


def _randomness(read: Read) -> Finding:
    title = "Seeds, repetitions or random assignment are told"
    return _worded(read, "reproducibility", "randomness", title, _RANDOMNESS, 1)


def _settings(read: Read) -> Finding:
    title = "Settings of the experiments have numbers"
    return _worded(read, "reproducibility", "settings", title, _SETTINGS, 2)


def _limitations(read: Read) -> Finding:
    found = _statements(read, "limitations")
    heading = any(each.kind == "limitations" for each in read.document.sections)
    outcome: Outcome = "passed" if heading or len(found) > 1 else "partly" if found else "failed"
    said = "has a section of its own" if heading else f"{len(found)} sentences speak of limitations"
    return Finding(
        "reporting", "limitations", "Limitations are discussed", outcome, said, 2, evidence=quoted(found)
    )


def _declarations(read: Read) -> Finding:
    found = {name: _statements(read, name) for name in ("ethics", "interests", "funding")}
    told = [name for name, places in found.items() if places]
    outcome = by_share(len(told), good=2, some=1)
    said = f"told: {', '.join(told) or 'none'} (of ethics, interests, funding)"
    places = [places[0] for places in found.values() if places]
    title = "Ethics, interests or funding are declared"
    return Finding("reporting", "declarations", title, outcome, said, 1, evidence=quoted(places))


def _claims(read: Read) -> Finding:
    title = "Claims come with numbers, tests, figures or citations"
    claims = read.gathered.claims
    if not claims:
        return Finding("reporting", "claims", title, "unknown", "no sentence was recognised as a claim", 3)
    bare = [claim.place for claim in claims if not claim.supports]
    share = 1 - len(bare) / len(claims)
    outcome = by_share(share, good=_SUPPORTED[0], some=_SUPPORTED[1])
    said = (
        f"{len(claims) - len(bare)} of {len(claims)} claims have support in their own sentence; without it:"
    )
    return Finding("reporting", "claims", title, outcome, said, 3, evidence=quoted(bare))


def _references(read: Read) -> Finding:
    number = len(read.document.references)
    outcome = by_share(number, good=_REFERENCES_MIN, some=1)
    return Finding(
        "reporting", "references", "There is a list of references", outcome, f"{number} entries", 1
    )


def _traceable(read: Read) -> Finding:
    title = "References can be followed (DOI, arXiv, address)"
    references = read.document.references
    if not references:
        return Finding("openness", "traceable", title, "unknown", "no list of references was recognised", 1)
    with_address = [
        each for each in references if re.search(r"10\.\d{4,9}/|arxiv|https?://", each.text, re.IGNORECASE)
    ]
    share = len(with_address) / len(references)
    said = f"{len(with_address)} of {len(references)} references"
    return Finding("openness", "traceable", title, by_share(share, good=0.6, some=0.25), said, 1)


def _access(subject: str) -> Callable[[Read], Finding]:
    def check(read: Read) -> Finding:
        found = [each for each in read.gathered.statements if each.subject == subject]
        by_access = {access: [each.place for each in found if each.access == access] for access in _ACCESS}
        access = next((name for name in _ACCESS if by_access[name]), "none")
        repository = subject == "code" and bool(read.gathered.repositories)
        outcome: Outcome = _ACCESS.get(access, "failed")
        if outcome == "failed" and repository:
            outcome, access = "partly", "a repository is linked, but no sentence says that it is this paper's"
        title = f"The paper's {subject} is open"
        said = {"open": "said to be open", "request": "on request only", "withheld": "said to be withheld"}
        explanation = said.get(access, access if repository else f"no sentence says where the {subject} is")
        places = by_access.get(access, [])
        return Finding(
            "openness", f"{subject}-available", title, outcome, explanation, 3, evidence=quoted(places)
        )

    return check


_ACCESS: dict[str, Outcome] = {"open": "passed", "request": "partly", "withheld": "failed"}


def _worded(
    read: Read, part: str, check: str, title: str, pattern: str, worth: float, *, also: Sequence[Place] = ()
) -> Finding:
    """Passed if words say so anywhere but in the references."""
    found = [*also, *_places(read, pattern)]
    outcome: Outcome = "passed" if found else "failed"
    said = f"{len(found)} {'place' if len(found) == 1 else 'places'}" if found else "no such words were found"
    return Finding(part, check, title, outcome, said, worth, evidence=quoted(found))


def _places(read: Read, pattern: str) -> Iterable[Place]:
    for flow in read.flows:
        for match in re.finditer(pattern, flow.text):
            place = flow.place(*match.span())
            section = section_at(read.document.sections, page=place.page, start=place.start)
            if section is None or section.kind != "references":
                yield place


def _statements(read: Read, subject: str) -> list[Place]:
    return [each.place for each in read.gathered.statements if each.subject == subject]


def _length(document: Document, index: int) -> int:
    """Characters from a heading to the next one of another kind at the same or a higher level."""
    sections = document.sections
    first = sections[index]
    following = sections[index + 1] if index + 1 < len(sections) else None
    if following and following.page == first.page:
        return following.start - first.start
    pages = document.pages[first.page - 1 : following.page if following else len(document.pages)]
    length = sum(len(page.text) for page in pages) - first.start
    return length - (len(pages[-1].text) - following.start if following else 0)
