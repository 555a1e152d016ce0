"""Bandit on Python files, without the work that finds nothing. It says what bandit says; most of its time goes

into nodes that no test asks for, and into copies for tests that have nothing to say.
"""

import ast
import gc
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

from bandit.core import config, context, manager, node_visitor, tester, utils

from guard import insecure_words

_CONFIG = config.BanditConfig()
_FILES_PER_COLLECTION = (
    50  # bandit's trees are rings, but looking for rings all the time costs a tenth of a scan
)
_NOTHING: dict[str, list[int]] = {"SEVERITY": [0] * 4, "CONFIDENCE": [0] * 4}


# What fields hold that no test asks for: plain values, operators, whether a name is read or set.
_PLAIN = {
    str,
    int,
    type(None),
    *(kind for kind in vars(ast).values() if getattr(kind, "_fields", None) == ()),
}

Test = Callable[[context.Context], Any]


class _Tester(tester.BanditTester):
    def __init__(self, own: tester.BanditTester, source: bytes) -> None:
        super().__init__(own.testset, own.debug, own.nosec_lines, own.metrics)
        self._source = source
        self._asked: dict[str, list[Test]] = {}

    def run_tests(self, raw_context: dict[str, Any], checktype: str) -> dict[str, list[int]]:
        """Bandit's own way only where a test has something to say, or a comment may silence it."""
        if not self.nosec_lines:
            seen = context.Context(raw_context)
            try:
                if all(test(seen) is None for test in self._tests(checktype)):
                    return _NOTHING
            except Exception as error:  # bandit answers it, and goes on with the next test
                logging.getLogger(__name__).debug("asked again: %s", error)
        found: dict[str, list[int]] = super().run_tests(raw_context, checktype)
        return found

    def _tests(self, checktype: str) -> list[Test]:
        """Those that can have something to say of this file."""
        asked = self._asked.get(checktype)
        if asked is None:
            tests = self.testset.get_tests(checktype)
            if checktype in ("Call", "File"):
                tests = [test for test in tests if insecure_words.can_match(test, self._source)]
            asked = [_with_settings(test) for test in tests]
            self._asked[checktype] = asked
        return asked


def _with_settings(test: Any) -> Test:
    return (lambda seen: test(seen, test._config)) if hasattr(test, "_config") else test


class _Visitor(node_visitor.BanditNodeVisitor):
    """Skips nodes that have neither a visit of their own nor a test, and writes no log of every node."""

    def __init__(self, *arguments: Any, source: bytes) -> None:
        super().__init__(*arguments)
        self.tester = _Tester(self.tester, source)
        visits = {name.removeprefix("visit_") for name in dir(self) if name.startswith("visit_")}
        self._concerned = {getattr(ast, name, None) for name in visits | {*self.testset.tests}}

    def generic_visit(self, node: ast.AST) -> None:
        for name in node._fields:
            value = getattr(node, name, None)
            kind = type(value)
            if kind is list:
                for item, sibling in zip(value, [*value[1:], None], strict=False):
                    if isinstance(item, ast.AST):
                        self._enter(item, node, sibling)
            elif kind not in _PLAIN and isinstance(value, ast.AST):
                self._enter(value, node, None)

    def _enter(self, node: Any, parent: ast.AST, sibling: Any) -> None:
        node._bandit_sibling, node._bandit_parent = sibling, parent
        kind = type(node)
        if kind is ast.Constant:
            if isinstance(node.value, str | bytes) and not isinstance(
                parent, ast.Expr
            ):  # else a number, a docstring
                self.pre_visit(node)
                self.visit(node)
            return
        if kind not in self._concerned:
            if kind is not ast.Name:
                self.generic_visit(node)
            return
        self.pre_visit(node)
        self.visit(node)
        self.generic_visit(node)
        self.post_visit(node)

    def pre_visit(self, node: Any) -> bool:
        self.context = {
            "imports": self.imports,
            "import_aliases": self.import_aliases,
            "node": node,
            "linerange": utils.linerange(node),
            "filename": self.fname,
            "file_data": self.fdata,
        }
        for name in ("lineno", "col_offset", "end_col_offset"):
            if hasattr(node, name):
                self.context[name] = getattr(node, name)
        return True

    def post_visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            self.namespace = utils.namespace_path_split(self.namespace)[0]

    def update_scores(self, scores: dict[str, list[int]]) -> None:
        if scores is not _NOTHING:
            super().update_scores(scores)


class _Manager(manager.BanditManager):
    def _parse_file(self, name: str, stream: BinaryIO, names: list[str]) -> None:
        """Files without the word need not be read token by token for it."""
        self.ignore_nosec = b"nosec" not in stream.read()
        stream.seek(0)
        super()._parse_file(name, stream, names)
        if len(self.scores) % _FILES_PER_COLLECTION == 0:
            gc.collect()

    def _execute_ast_visitor(self, name: str, stream: BinaryIO, data: bytes, nosec: Any) -> Any:
        visitor = _Visitor(name, stream, self.b_ma, self.b_ts, self.debug, nosec, self.metrics, source=data)
        score = visitor.process(data)
        self.results.extend(visitor.tester.results)
        return score


def checked(paths: Iterable[Path]) -> manager.BanditManager:
    """What bandit has found: `get_issue_list()`, `skipped`, `metrics`."""
    logging.getLogger("bandit").setLevel(logging.ERROR)
    checker = _Manager(_CONFIG, "file", quiet=True)
    checker.files_list = [str(path) for path in paths]
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        checker.run_tests()
    finally:
        if was_collecting:
            gc.enable()
    return checker


checked([])  # loads the tests: once in a worker, and no more in its forks
