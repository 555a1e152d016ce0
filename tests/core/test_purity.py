"""The core imports the contracts and the pure standard library, and never asks for time or chance."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import orchestrator.domain

FOLDER = Path(orchestrator.domain.__file__).parent
FILES = sorted(FOLDER.glob("**/*.py"))
ALLOWED = {
    "collections",
    "contextlib",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "hashlib",
    "itertools",
    "math",
    "typing",
    "uuid",
}
ALLOWED_OURS = ("orchestrator.domain", "penstock.contracts")
FORBIDDEN_CALLS = {
    "uuid1",
    "uuid4",
    "uuid7",
    "now",
    "utcnow",
    "today",
    "open",
    "print",
    "input",
    "eval",
    "exec",
}
PRINTS = {"diagram.py"}  # writes docs/states.md, in its `__main__` part


def imports(tree: ast.AST) -> Iterator[str]:
    for found in ast.walk(tree):
        if isinstance(found, ast.Import):
            yield from (alias.name for alias in found.names)
        elif isinstance(found, ast.ImportFrom):
            assert found.level == 0, "imports are absolute"
            yield found.module or ""


def calls(tree: ast.AST) -> Iterator[str]:
    for found in ast.walk(tree):
        if isinstance(found, ast.Call):
            function = found.func
            yield function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def impurities(source: str, *, may_print: bool = False) -> list[str]:
    tree = ast.parse(source)
    strange = [
        name
        for name in imports(tree)
        if not name.startswith(ALLOWED_OURS) and name.split(".")[0] not in ALLOWED
    ]
    forbidden = FORBIDDEN_CALLS - ({"print"} if may_print else set())
    return strange + [f"{name}()" for name in calls(tree) if name in forbidden]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_core_is_pure(file: Path) -> None:
    assert impurities(file.read_text(), may_print=file.name in PRINTS) == []


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("import time", "time"),
        ("from random import random", "random"),
        ("import asyncio", "asyncio"),
        ("from orchestrator.store import load", "orchestrator.store"),
        ("import msgspec", "msgspec"),
        ("from datetime import datetime\ndatetime.now()", "now()"),
        ("from uuid import uuid4\nuuid4()", "uuid4()"),
    ],
)
def test_the_rule_names_what_is_impure(source: str, named: str) -> None:
    assert impurities(source) == [named]
