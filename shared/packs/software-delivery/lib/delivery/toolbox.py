"""What a model may do on the working tree. Everything stays below it, and what is others' cannot be written."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from delivery import plan, testing
from delivery.worktree import Outside, Tree
from penstock.agents import context

READ_CHARS_MAX = 40_000
WRITES_MAX = 200  # in one attempt: a model that writes more goes in circles
FAILURES_TOLD = 5


def tools_on(tree: Tree) -> list[Callable[..., Any]]:
    """Functions whose types and docstrings are what the model is told of them."""
    hand = _Hand(tree)

    def list_files() -> list[str]:
        """All files of the tree."""
        return tree.files()

    def read_file(path: str) -> str:
        """The text of a file."""
        return hand.read(path)

    def write_file(path: str, content: str) -> str:
        """Write a whole file, new or instead of the former one."""
        return hand.write(path, content)

    def delete_file(path: str) -> str:
        """Delete a file."""
        return hand.delete(path)

    def run_tests(path: str = "") -> dict[str, Any]:
        """Run pytest on all tests, or on those of one file or folder; gives the counts and the first failures."""
        return hand.test(path)

    return [list_files, read_file, write_file, delete_file, run_tests]


@dataclass
class _Hand:
    tree: Tree
    writes: int = 0

    def read(self, path: str) -> str:
        file = self.tree.path_of(path)
        if not file.is_file():
            raise Outside(f"there is no file '{path}'")
        text = file.read_text(encoding="utf-8", errors="replace")
        return text if len(text) <= READ_CHARS_MAX else text[:READ_CHARS_MAX] + "\n[cut off]"

    def write(self, path: str, content: str) -> str:
        self._check(path)
        self.tree.write({path: content})
        context.log("wrote", file=path, characters=len(content))
        return "written"

    def delete(self, path: str) -> str:
        self._check(path)
        file = self.tree.path_of(path)
        if not file.is_file():
            raise Outside(f"there is no file '{path}'")
        file.unlink()
        return "deleted"

    def test(self, path: str) -> dict[str, Any]:
        if path and (path.startswith("-") or not self.tree.path_of(path).exists()):
            raise Outside(f"there is no file or folder '{path[:200]}'")
        paths = [str(self.tree.path_of(path).relative_to(self.tree.folder))] if path else []
        found = testing.run_tests(self.tree, *paths)
        context.log("ran tests", **found.counts)
        failures = [{"test": each.name, "message": each.message} for each in found.failures[:FAILURES_TOLD]]
        return {"passes": found.is_green, "counts": found.counts, "failures": failures}

    def _check(self, path: str) -> None:
        place = self.tree.path_of(path).resolve().relative_to(self.tree.folder.resolve()).as_posix()
        if plan.is_others(place, {*self.tree.given(), "pyproject.toml"}):  # the blueprint's
            raise Outside(
                f"'{path}' belongs to others: {', '.join(plan.GUARDED)}, tests that were given, and files that choose"
                " which tests run"
            )
        self.writes += 1
        if self.writes > WRITES_MAX:
            raise Outside(f"at most {WRITES_MAX} files may be written in one attempt")
