"""Checks of a repository by rules: can somebody else run this and get the same?"""

import re
from collections.abc import Iterable

from paper.finding import Evidence, Finding, Outcome, by_share
from paper.notebooks import notebook_finding
from paper.pinning import pinning_finding
from paper.repository_tree import RepositoryTree

_README_CHARACTERS = (600, 120)  # good, some
_RUNS = re.compile(
    r"^\s*(?:\$ )?(?:python3?|pip|conda|make|docker|Rscript|julia|bash|sh|cargo|npm|uv)\b.*", re.MULTILINE
)
_SEED = re.compile(
    r"\b(?:random\.seed|np\.random\.seed|manual_seed|set\.seed|default_rng\(\s*\d|seed_everything|set_seed|"
    r"random_state\s*=\s*\d|PRNGKey\(|Random\.seed!)|\bseed\s*[=:]\s*\d"
)
_RANDOM = re.compile(
    r"\b(?:import random|np\.random|numpy\.random|torch\.rand|default_rng|rnorm|sample\(|shuffle|train_test_split)\b"
)
_DATA_SUFFIXES = (
    ".csv",
    ".tsv",
    ".json",
    ".jsonl",
    ".parquet",
    ".npz",
    ".npy",
    ".h5",
    ".hdf5",
    ".mat",
    ".rds",
    ".rda",
    ".xlsx",
    ".arff",
)
_NO_DATA = {
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "composer.json",
    "codemeta.json",
    ".zenodo.json",
}
_DOWNLOAD = re.compile(
    r"\b(?:wget|curl|gdown|download(?:ed)?|zenodo|figshare|osf\.io|kaggle|huggingface)\b", re.IGNORECASE
)
_CI = (
    ".github/workflows/",
    ".gitlab-ci.yml",
    ".circleci/",
    ".travis.yml",
    "azure-pipelines.yml",
    "jenkinsfile",
    ".woodpecker",
    "tox.ini",
)
_ENTRIES = (
    "main",
    "run",
    "train",
    "reproduce",
    "experiment",
    "experiments",
    "makefile",
    "snakefile",
    "dvc.yaml",
    "justfile",
    "dockerfile",
    "run_all",
    "analysis",
)


def repository_findings(tree: RepositoryTree) -> list[Finding]:
    checks = (
        _readme,
        _license,
        pinning_finding,
        _tests,
        _continuous,
        _data,
        notebook_finding,
        _entry,
        _seeds,
    )
    return [check(tree) for check in checks]


def _readme(tree: RepositoryTree) -> Finding:
    title = "A README tells how to run it"
    found = [
        path for path in tree.named("readme", "readme.md", "readme.rst", "readme.txt") if path.count("/") < 2
    ]
    if not found:
        return Finding("repository", "readme", title, "failed", "there is no README", 3)
    text = tree.text(found[0])
    commands = _RUNS.findall(text)
    long = by_share(len(text), good=_README_CHARACTERS[0], some=_README_CHARACTERS[1])
    outcome: Outcome = (
        "passed" if commands and long == "passed" else "partly" if commands or long != "failed" else "failed"
    )
    said = f"{len(text):,} characters, {len(commands)} commands"
    return Finding(
        "repository", "readme", title, outcome, said, 3, evidence=(Evidence(file=found[0], line=1),)
    )


def _license(tree: RepositoryTree) -> Finding:
    title = "A license says what others may do with it"
    found = [path for path in tree.named("license", "licence", "copying", "unlicense") if "/" not in path]
    manifests = [
        path
        for path in tree.named("pyproject.toml", "setup.cfg", "setup.py", "package.json", "description")
        if "/" not in path
    ]
    declared = [path for path in manifests if re.search(r"licen[sc]e", tree.text(path), re.IGNORECASE)]
    outcome: Outcome = "passed" if found else "partly" if declared else "failed"
    said = (
        found[0]
        if found
        else f"only named in {declared[0]}"
        if declared
        else "there is none: nobody may use the code"
    )
    return Finding("repository", "license", title, outcome, said, 2, evidence=_files([*found, *declared]))


def _tests(tree: RepositoryTree) -> Finding:
    title = "There are tests"
    sources = {*tree.sources()}
    found = [
        path
        for path in dict.fromkeys([*tree.below("test", "tests", "spec", "testthat"), *sources])
        if path in sources
        and re.search(r"(?:^|[/_.-])tests?(?:[/_.-]|$)|test_\w+\.py$|_test\.\w+$", path.lower())
    ]
    outcome = by_share(len(found), good=2, some=1)
    said = f"{len(found)} test files beside {len(sources) - len(found)} other sources"
    return Finding("repository", "tests", title, outcome, said, 2, evidence=_files(found))


def _continuous(tree: RepositoryTree) -> Finding:
    found = [path for path in tree.paths if path.lower().startswith(_CI)]
    outcome: Outcome = "passed" if found else "failed"
    said = found[0] if found else "no file of a known service"
    return Finding(
        "repository", "integration", "Tests run by themselves", outcome, said, 1, evidence=_files(found)
    )


def _data(tree: RepositoryTree) -> Finding:
    """Data in the tree, or words on where to get it."""
    found = [
        path for path in tree.with_suffix(*_DATA_SUFFIXES) if path.rpartition("/")[2].lower() not in _NO_DATA
    ]
    readme = tree.named("readme", "readme.md", "readme.rst")[:1]
    told = [(path, number, line) for path, number, line in tree.lines(readme) if _DOWNLOAD.search(line)]
    outcome: Outcome = "passed" if found else "partly" if told else "failed"
    said = (
        f"{len(found)} data files"
        if found
        else "the README says where to get it"
        if told
        else "neither data nor a way to it"
    )
    evidence = _files(found) or tuple(
        Evidence(line.strip()[:200], file=path, line=number) for path, number, line in told[:4]
    )
    return Finding(
        "repository", "data", "Data is there, or how to get it", outcome, said, 2, evidence=evidence
    )


def _entry(tree: RepositoryTree) -> Finding:
    title = "It is clear what to run"
    readme = tree.named("readme", "readme.md", "readme.rst")[:1]
    named = [
        Evidence(line.strip()[:200], file=path, line=number)
        for path, number, line in tree.lines(readme)
        for word in re.findall(r"[\w./-]+\.(?:py|sh|R|jl|ipynb|m)\b", line)
        if word.removeprefix("./") in tree.paths
    ]
    entries = tree.named(*_ENTRIES)
    outcome: Outcome = "passed" if named else "partly" if entries else "failed"
    said = (
        f"the README names {len(named)} programs that are there"
        if named
        else f"the README names none; {entries[0]} may be one"
        if entries
        else "nothing looks like a beginning"
    )
    return Finding(
        "repository", "entry", title, outcome, said, 1, evidence=tuple(named[:4]) or _files(entries)
    )


def _seeds(tree: RepositoryTree) -> Finding:
    """Only where the code draws random numbers."""
    title = "Random numbers are seeded"
    sources = [path for path in tree.sources() if not path.endswith((".js", ".ts"))]
    lines = list(tree.lines(sources))
    seeds = [
        Evidence(line.strip()[:200], file=path, line=number)
        for path, number, line in lines
        if _SEED.search(line)
    ]
    draws = [
        Evidence(line.strip()[:200], file=path, line=number)
        for path, number, line in lines
        if _RANDOM.search(line)
    ]
    if not draws and not seeds:
        return Finding("repository", "seeds", title, "unknown", "no random numbers were recognised", 1)
    outcome: Outcome = "passed" if seeds else "failed"
    said = f"{len(seeds)} seeds" if seeds else f"{len(draws)} places draw random numbers, none sets a seed"
    return Finding("repository", "seeds", title, outcome, said, 1, evidence=tuple((seeds or draws)[:4]))


def _files(paths: Iterable[str]) -> tuple[Evidence, ...]:
    return tuple(Evidence(file=path, line=1) for path in list(paths)[:6])
