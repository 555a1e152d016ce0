"""The parts of a Python file that a fix concerns: a syntax tree with names costs seconds for a whole tree of files."""

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Excerpt:
    """Statements of the module, from line `first` to `last` (1-based), below the module's imports.

    `head` lines of `text` are those imports; line n of `text` is line n + `before` of the file.
    """

    first: int
    last: int
    head: int
    text: str

    @property
    def before(self) -> int:
        return self.first - 1 - self.head


def excerpts_of(text: str, *, lines: Collection[int]) -> list[Excerpt]:
    """One for each run of whole statements that has a line in `lines`. Raises SyntaxError."""
    module = ast.parse(text)
    rows = text.split("\n")
    imports = [ast.unparse(node) for node in _module_level(module.body) if isinstance(node, _IMPORTS)]
    return [
        Excerpt(first, last, len(imports), "\n".join([*imports, *rows[first - 1 : last]]))
        for first, last in _spans(module.body)
        if any(first <= line <= last for line in lines)
    ]


def replaced(text: str, changes: Sequence[tuple[Excerpt, str]]) -> str:
    """The file with each excerpt's changed code in its place."""
    rows = text.split("\n")
    for excerpt, code in sorted(changes, key=lambda change: -change[0].first):
        rows[excerpt.first - 1 : excerpt.last] = code.split("\n")[excerpt.head :]
    return "\n".join(rows)


_IMPORTS = (ast.Import, ast.ImportFrom)
_NAMESPACES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _module_level(body: Sequence[ast.stmt]) -> Iterator[ast.AST]:
    """What binds names of the module, also inside of `if` and `try`."""
    for node in body:
        yield node
        if not isinstance(node, _NAMESPACES):
            yield from _module_level([one for one in ast.iter_child_nodes(node) if isinstance(one, ast.stmt)])
            handlers = getattr(node, "handlers", ())
            yield from _module_level([one for handler in handlers for one in handler.body])


def _spans(body: Sequence[ast.stmt]) -> list[tuple[int, int]]:
    """First and last line of each statement; those that share a line are one."""
    spans: list[tuple[int, int]] = []
    for node in body:
        decorators = getattr(node, "decorator_list", ())
        first = min(one.lineno for one in (node, *decorators))
        last = node.end_lineno or first
        if spans and spans[-1][1] >= first:
            spans[-1] = (spans[-1][0], max(last, spans[-1][1]))
        else:
            spans.append((first, last))
    return spans
