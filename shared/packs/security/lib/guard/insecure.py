"""Bandit on Python files, without the work that finds nothing. It says what bandit says; most of its time goes

into nodes that no test asks for, and into copies for tests that have nothing to say.
"""

import ast
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from bandit.core import config, context, manager, node_visitor, tester

_CONFIG = config.BanditConfig()
_NOTHING: dict[str, list[int]] = {"SEVERITY": [0] * 4, "CONFIDENCE": [0] * 4}


class _Tester(tester.BanditTester):
    def run_tests(self, raw_context: dict[str, Any], checktype: str) -> dict[str, list[int]]:
        """Bandit's own way only where a test has something to say, or a comment may silence it."""
        tests = self.testset.get_tests(checktype)
        if not self.nosec_lines and all(_is_silent(test, raw_context) for test in tests):
            return _NOTHING
        found: dict[str, list[int]] = super().run_tests(raw_context, checktype)
        return found


def _is_silent(test: Any, raw_context: dict[str, Any]) -> bool:
    seen = context.Context(raw_context)
    try:
        return (test(seen, test._config) if hasattr(test, "_config") else test(seen)) is None
    except Exception:  # bandit answers it, and goes on with the next test
        return False


class _Visitor(node_visitor.BanditNodeVisitor):
    """Skips nodes that have neither a visit of their own nor a test."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        own = self.tester
        self.tester = _Tester(own.testset, own.debug, own.nosec_lines, own.metrics)
        visits = {name.removeprefix("visit_") for name in dir(self) if name.startswith("visit_")}
        self._concerned = {getattr(ast, name, None) for name in visits | {*own.testset.tests}}

    def generic_visit(self, node: ast.AST) -> None:
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                following = [*value[1:], None] if value else []
                for item, sibling in zip(value, following, strict=True):
                    if isinstance(item, ast.AST):
                        self._enter(item, node, sibling)
            elif isinstance(value, ast.AST):
                self._enter(value, node, None)

    def _enter(self, node: Any, parent: ast.AST, sibling: Any) -> None:
        node._bandit_sibling, node._bandit_parent = sibling, parent
        if type(node) not in self._concerned:
            if node._fields:
                self.generic_visit(node)
            return
        self.pre_visit(node)
        self.visit(node)
        self.generic_visit(node)
        self.post_visit(node)

    def update_scores(self, scores: dict[str, list[int]]) -> None:
        if scores is not _NOTHING:
            super().update_scores(scores)


class _Manager(manager.BanditManager):
    def _parse_file(self, name: str, stream: BinaryIO, names: list[str]) -> None:
        """Files without the word need not be read token by token for it."""
        self.ignore_nosec = b"nosec" not in stream.read()
        stream.seek(0)
        super()._parse_file(name, stream, names)

    def _execute_ast_visitor(self, name: str, stream: BinaryIO, data: bytes, nosec: Any) -> Any:
        visitor = _Visitor(name, stream, self.b_ma, self.b_ts, self.debug, nosec, self.metrics)
        score = visitor.process(data)
        self.results.extend(visitor.tester.results)
        return score


def checked(paths: Iterable[Path]) -> manager.BanditManager:
    """What bandit has found: `get_issue_list()`, `skipped`, `metrics`."""
    logging.getLogger("bandit").setLevel(logging.ERROR)
    checker = _Manager(_CONFIG, "file", quiet=True)
    checker.files_list = [str(path) for path in paths]
    checker.run_tests()
    return checker


checked([])  # loads the tests: once in a worker, and no more in its forks
