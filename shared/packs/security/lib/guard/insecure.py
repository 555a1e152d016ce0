"""Bandit on Python files, without the work that finds nothing: half its time goes into nodes that no test asks for."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from bandit.core import config, manager, node_visitor

_CONFIG = config.BanditConfig()


class _Visitor(node_visitor.BanditNodeVisitor):
    """Bandit's own, which skips nodes that have neither a visit of their own nor a test."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        own = {name.removeprefix("visit_") for name in dir(self) if name.startswith("visit_")}
        self._concerned = own | {*self.tester.testset.tests}

    def pre_visit(self, node: Any) -> bool:
        if type(node).__name__ in self._concerned:
            return bool(super().pre_visit(node))
        self.depth += 1
        return True

    def visit(self, node: Any) -> None:
        if type(node).__name__ in self._concerned:
            super().visit(node)


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
