"""Whether a repository is this paper's: its title, its authors' words, its versions and its numbers."""

import re
from collections.abc import Iterable, Iterator, Sequence

from paper.document import Document
from paper.evidence import Evidence as Gathered
from paper.finding import Evidence, Finding, Outcome, by_share
from paper.flow import Flow
from paper.pinning import dependencies_in
from paper.repository_tree import RepositoryTree

_WORDS = re.compile(r"[a-z0-9]{4,}")
_VERSIONED = re.compile(
    r"\b(?P<name>Python|PyTorch|TensorFlow|NumPy|SciPy|scikit-learn|pandas|R|Julia|JAX)"
    r"\s*(?:v(?:ersion)?\.?\s*)?(?P<version>\d+\.\d+(?:\.\d+)?)",
    re.IGNORECASE,
)
_PACKAGES = {"pytorch": "torch"}
_RESULT = re.compile(r"(?<![\w.])\d+\.\d{1,4}(?![\w.])")
_RESULT_FOLDERS = ("results", "result", "output", "outputs", "figures", "tables", "logs")
_RESULT_SUFFIXES = (".csv", ".tsv", ".json", ".txt", ".md", ".log", ".ipynb")
_RESULT_FILES_MAX = 200
_NUMBERS_MIN = 3  # fewer prove nothing


def match_findings(
    document: Document, gathered: Gathered, flows: Sequence[Flow], tree: RepositoryTree
) -> list[Finding]:
    return [_title(document, tree), _versions(flows, tree), _results(document, gathered, flows, tree)]


def _title(document: Document, tree: RepositoryTree) -> Finding:
    title = "The repository names the paper"
    words = {*_WORDS.findall(document.title.lower())}
    if len(words) < 2:
        return Finding("match", "title", title, "unknown", "the paper's title was not recognised", 2)
    files = [
        *tree.named("readme", "readme.md", "readme.rst")[:2],
        *tree.named("citation.cff", "citation.bib", "codemeta.json")[:2],
    ]
    best, where = 0.0, Evidence()
    for path, number, line in _windows(tree, files):
        share = len(words & {*_WORDS.findall(line.lower())}) / len(words)
        if share > best:
            best, where = share, Evidence(" ".join(line.split())[:200], file=path, line=number)
    outcome = by_share(best, good=0.8, some=0.5)
    said = f"{best:.0%} of the title's words stand together" if best else "none of the title's words"
    return Finding("match", "title", title, outcome, said, 2, evidence=(where,) if best >= 0.5 else ())


def _windows(tree: RepositoryTree, files: Iterable[str]) -> Iterator[tuple[str, int, str]]:
    """Two lines at a time: titles are broken over lines."""
    for path in files:
        lines = tree.text(path).splitlines()
        for number, line in enumerate(lines, start=1):
            yield path, number, f"{line} {lines[number] if number < len(lines) else ''}"


def _versions(flows: Sequence[Flow], tree: RepositoryTree) -> Finding:
    """Versions that the paper names, against those that the repository pins."""
    title = "Versions in the paper are those of the repository"
    pins = {each.name.lower(): each for each in dependencies_in(tree)}
    same: list[Evidence] = []
    different: list[Evidence] = []
    for flow in flows:
        for match in _VERSIONED.finditer(flow.text):
            name = match["name"].lower()
            pinned = pins.get(_PACKAGES.get(name, name))
            if pinned is None or not (version := re.search(r"\d+(?:\.\d+)*", pinned.pin)):
                continue
            agrees = _begins(version[0], match["version"]) or _begins(match["version"], version[0])
            place = flow.place(*match.span())
            quote = f"{place.quote} — {pinned.file}: {pinned.name} {pinned.pin}"
            (same if agrees else different).append(
                Evidence(quote, place.page, place.start, place.end, pinned.file, pinned.line)
            )
    if not same and not different:
        return Finding("match", "versions", title, "unknown", "no package has a version in both", 1)
    outcome = by_share(len(same) / len(same + different), good=1.0, some=0.5)
    said = f"{len(same)} of {len(same + different)} agree"
    return Finding("match", "versions", title, outcome, said, 1, evidence=tuple((different or same)[:6]))


def _begins(longer: str, shorter: str) -> bool:
    return longer.split(".")[: len(shorter.split("."))] == shorter.split(".")


def _results(document: Document, gathered: Gathered, flows: Sequence[Flow], tree: RepositoryTree) -> Finding:
    """Decimal numbers of the paper's claims and statistics that stand in result files of the repository."""
    title = "Numbers of the paper are in result files"
    places = [*(each.place for each in gathered.claims), *(each.place for each in gathered.statistics)]
    numbers = {number: place for place in places for number in _RESULT.findall(place.quote)}
    files = [path for path in _result_files(tree) if path in {*tree.files}][:_RESULT_FILES_MAX]
    if len(numbers) < _NUMBERS_MIN or not files:
        said = (
            "the repository has no result files"
            if not files
            else "the paper has too few numbers in its claims"
        )
        return Finding("match", "results", title, "unknown", said, 2)
    found: dict[str, Evidence] = {}
    for path, line_number, line in tree.lines(files):
        for number in {*_RESULT.findall(line)} & numbers.keys() - found.keys():
            place = numbers[number]
            found[number] = Evidence(
                f"{number}: {line.strip()[:120]}", place.page, place.start, place.end, path, line_number
            )
        for written in re.findall(r"(?<![\w.])\d+\.\d{3,}(?![\w.])", line):
            for number in _rounded(written, numbers.keys() - found.keys()):
                place = numbers[number]
                found[number] = Evidence(
                    f"{number}: {line.strip()[:120]}", place.page, place.start, place.end, path, line_number
                )
    outcome: Outcome = by_share(len(found) / len(numbers), good=0.5, some=0.15)
    said = f"{len(found)} of {len(numbers)} numbers of claims and statistics, in {len(files)} files"
    return Finding("match", "results", title, outcome, said, 2, evidence=tuple(found.values())[:6])


def _result_files(tree: RepositoryTree) -> list[str]:
    return [path for path in tree.below(*_RESULT_FOLDERS) if path.lower().endswith(_RESULT_SUFFIXES)]


def _rounded(written: str, numbers: Iterable[str]) -> list[str]:
    """The numbers that `written` rounds to."""
    value = float(written)
    return [number for number in numbers if f"{value:.{len(number.partition('.')[2])}f}" == number]
