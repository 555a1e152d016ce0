"""The calls in some lines of a Python file: where each stands, and what it may call.

The whole file as a tree with names and positions costs a hundred times as much as the few calls that a fix looks at.
"""

import ast
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

Names = Mapping[str, Collection[str]]  # what is imported under a name: {"r": {"requests"}}


_CALLS_NOTHING = (ast.Name, ast.Constant, ast.expr_context, ast.operator, ast.cmpop)


@dataclass(frozen=True)
class Site:
    """A call from byte `start` to byte `end`. `names` are its possible full names, `around` the words around it."""

    start: int
    end: int
    first: int
    last: int
    names: frozenset[str]
    around: str


def sites_of(text: str, *, lines: Collection[int]) -> list[Site]:
    """The calls that cover one of the lines, the inner before the outer ones. Raises SyntaxError."""
    module = ast.parse(text)
    reader = _Reader(text, _imported(module))
    around = [child for child in module.body if any(_first(child) <= line <= _last(child) for line in lines)]
    sites = (site for child in around for site in reader.sites(child))
    found = [site for site in sites if any(site.first <= line <= site.last for line in lines)]
    return sorted(found, key=lambda site: site.end - site.start)


def _first(node: ast.stmt) -> int:
    """A statement begins with its decorators."""
    return min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])


def _last(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


class Draft:
    """The file's bytes with pieces replaced; a later piece may contain earlier ones."""

    def __init__(self, text: str) -> None:
        self._text = text.encode()
        self._pieces: list[tuple[int, int, bytes]] = []  # none contains another

    def current(self, start: int, end: int) -> str:
        """What now stands where `start` to `end` was."""
        inside = sorted(piece for piece in self._pieces if start <= piece[0] and piece[1] <= end)
        parts = []
        for begin, stop, code in inside:
            parts += [self._text[start:begin], code]
            start = stop
        return b"".join([*parts, self._text[start:end]]).decode()

    def replace(self, start: int, end: int, code: str) -> None:
        self._pieces = [piece for piece in self._pieces if not (start <= piece[0] and piece[1] <= end)]
        self._pieces.append((start, end, code.encode()))

    def text(self) -> str:
        return self.current(0, len(self._text))


class _Reader:
    def __init__(self, text: str, imported: Names) -> None:
        self._lines = text.split("\n")
        self._imported = imported
        self._offsets = [0]
        for line in self._lines:
            self._offsets.append(self._offsets[-1] + len(line.encode()) + 1)

    def sites(
        self, node: ast.AST, functions: tuple[str, ...] = (), own: frozenset[str] = frozenset()
    ) -> Iterator[Site]:
        """`functions` are those around, `own` the names of their parameters, which hide imports."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions = (*functions, node.name)
            own |= {one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg)}
        if isinstance(node, ast.Call):
            yield self._site(node, functions, own)
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, _CALLS_NOTHING):
                yield from self.sites(child, functions, own)

    def _site(self, node: ast.Call, functions: tuple[str, ...], own: frozenset[str]) -> Site:
        last = node.end_lineno or node.lineno
        return Site(
            start=self._offsets[node.lineno - 1] + node.col_offset,
            end=self._offsets[last - 1] + (node.end_col_offset or 0),
            first=node.lineno,
            last=last,
            names=self._names(node.func, own),
            around=" ".join([*functions, *self._lines[node.lineno - 1 : last]]),
        )

    def _names(self, function: ast.expr, own: frozenset[str]) -> frozenset[str]:
        root, _, rest = (_dotted(function) or "").partition(".")
        known = () if root in own else self._imported.get(root, ())
        return frozenset(f"{name}.{rest}" if rest else name for name in known)


def _dotted(node: ast.expr) -> str | None:
    """`a.b().c[0].d` is `a.b.c.d`: of whose making it is."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            owner = _dotted(node.value)
            return f"{owner}.{node.attr}" if owner else None
        case ast.Call():
            return _dotted(node.func)
        case ast.Subscript():
            return _dotted(node.value)
    return None


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """The statement and those in it, without their expressions: an import is none."""
    yield node
    for name in ("body", "orelse", "handlers", "finalbody", "cases"):
        below = getattr(node, name, ())
        for child in below if isinstance(below, list) else ():
            yield from _statements(child)


def _imported(module: ast.Module) -> Names:
    found: dict[str, set[str]] = defaultdict(set)
    for node in _statements(module):
        if isinstance(node, ast.Import):
            for name in node.names:
                found[name.asname or name.name.partition(".")[0]].add(
                    name.name if name.asname else name.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            for name in node.names:
                found[name.asname or name.name].add(f"{origin}.{name.name}")
    return found
