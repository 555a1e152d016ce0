"""The house style, as far as a machine can tell: sizes, first lines, names, and what must never be committed."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.exceptions import LONG_FILES, LONG_FUNCTIONS

ROOT = Path(__file__).resolve().parents[2]
FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 50
COMMITTED_BYTES_MAX = 1024 * 1024  # larger is generated data
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}

# Written in pieces, so that this file does not hold what it looks for.
REGISTRIES = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"))]
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:" + "|".join(("work", "root", "home/[a-z]")) + r")/[\w.-]")


def committed() -> list[Path]:
    """What is in the repository or about to be: tracked files and new ones that are not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def sources() -> list[Path]:
    """Python of the product: not tests, and not the samples that agents are shown."""
    folders = [ROOT / name for name in ("shared", "services", "benchmarks", "grafana")]
    found = [path for path in committed() if path.suffix == ".py" and any(map(path.is_relative_to, folders))]
    return [path for path in found if "samples" not in path.parts]


def texts() -> Iterator[tuple[str, str]]:
    for path in committed():
        try:
            yield str(path.relative_to(ROOT)), path.read_text()
        except UnicodeDecodeError:
            continue  # a picture has no style


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_there_is_something_to_check() -> None:
    assert len(sources()) > 50


def test_no_file_is_longer_than_300_lines() -> None:
    long = {
        str(path.relative_to(ROOT))
        for path in sources()
        if len(path.read_text().splitlines()) > FILE_LINES_MAX
    }

    assert long == set(LONG_FILES)


def test_no_function_is_longer_than_50_lines() -> None:
    long = {
        f"{path.relative_to(ROOT)}:{function.name}"
        for path in sources()
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno + 1 > FUNCTION_LINES_MAX
    }

    assert long == set(LONG_FUNCTIONS)


def test_every_exception_has_a_reason() -> None:
    assert all(len(reason) > 20 for reason in (*LONG_FILES.values(), *LONG_FUNCTIONS.values()))


def test_the_first_line_of_each_file_says_what_is_in_it() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in sources()
        if path.read_text().strip() and ast.get_docstring(ast.parse(path.read_text())) is None
    ]

    assert silent == []


def test_names_say_something() -> None:
    assert [str(path.relative_to(ROOT)) for path in sources() if path.stem in NAMES_THAT_SAY_NOTHING] == []


def test_nothing_is_left_to_do() -> None:
    marks = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
    paths = {str(path.relative_to(ROOT)) for path in sources()}

    assert [path for path, text in texts() if path in paths and marks.search(text)] == []


def test_no_registry_is_named() -> None:
    assert [path for path, text in texts() if any(registry in text for registry in REGISTRIES)] == []


def test_no_path_of_a_machine_is_named() -> None:
    assert [(path, match[0]) for path, text in texts() if (match := MACHINE_PATH.search(text))] == []


def test_nothing_large_is_committed() -> None:
    assert [str(path) for path in committed() if path.stat().st_size > COMMITTED_BYTES_MAX] == []


def test_the_domain_asks_no_clock() -> None:
    """What import-linter cannot see: `datetime` is allowed there, its `now` is not."""
    domain = [path for path in sources() if "domain" in path.parts]
    asking = [
        f"{path.name}:{node.lineno}"
        for path in domain
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today", "uuid4", "uuid7")
    ]

    assert domain
    assert asking == []


@pytest.mark.parametrize(
    ("text", "is_path"),
    [
        ("/ro" + "ot/checkout", True),
        ("below /root (mode 0700)", False),
        ("penstock.in/work/x", False),
        ("see /wor" + "k/briefs", True),
    ],
)
def test_the_search_for_machine_paths_finds_them(text: str, is_path: bool) -> None:
    assert (MACHINE_PATH.search(text) is not None) == is_path
