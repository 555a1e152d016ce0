"""Tests of what the contracts do not say: a model, in the tester's role, writes them for the requirements left over."""

import json
from typing import Any

from delivery import plan
from delivery.asking import has_model, settled
from delivery.implementing import Feedback
from delivery.plan import Plan
from delivery.worktree import Outside, Tree

FOLDER = "tests/acceptance/"
_SOURCE_CHARS_MAX = 60_000
_SYSTEM = """You are the tester of a team. You write pytest files below tests/acceptance/ for requirements that
the tests of the contracts do not cover. Test what the requirement says, through the package's public functions,
with a fresh database in tmp_path; standard library and pytest only, no network, no sleeping. The root of the
tree is on sys.path. In each test call record_property("covers", "R7") with the id of its requirement. File
names: test_<words>.py. Answer with whole files. If the tests that are there are right, answer with an empty
list."""
_SCHEMA = {
    "type": "object",
    "required": ["files"],
    "additionalProperties": False,
    "properties": {
        "files": {
            "type": "array",
            "maxItems": 20,
            "items": {
                "type": "object",
                "required": ["path", "content"],
                "additionalProperties": False,
                "properties": {
                    "path": {"type": "string", "pattern": "^tests/acceptance/test_[a-z0-9_]+\\.py$"},
                    "content": {"type": "string"},
                },
            },
        }
    },
}
_ROOT = '''"""The tests find the package without an installation."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
'''


def write_tests(tree: Tree, *, number: int, feedback: Feedback, model: str) -> bool:
    """Write or mend acceptance tests; True if some were. In later rounds only when one of them has failed."""
    planned = plan.read(tree)
    has_failed = any("acceptance" in each.name for each in feedback.failures)
    if not planned.analysis.gaps or not (number == 1 or has_failed) or not has_model(model):
        return False
    files = _answered(tree, planned, feedback)
    if files:
        tree.write(files | {f"{FOLDER}conftest.py": _ROOT})
    return bool(files)


def _answered(tree: Tree, planned: Plan, feedback: Feedback) -> dict[str, str]:
    left = [{"id": each.id, "text": each.text, "gap": each.gap} for each in planned.analysis.gaps]
    prompt = f"Requirements:\n{json.dumps(left)}\n\nThe code:\n{_source(tree, planned)}"
    if feedback.failures:
        failed = [{"test": each.name, "message": each.message} for each in feedback.failures]
        prompt += f"\n\nThese failed in the last round:\n{json.dumps(failed)}\nThe implementer says: {feedback.notes}"
    answer = settled(prompt, system=_SYSTEM, schema=_SCHEMA, problems=_problems, what="the acceptance tests")
    return {each["path"]: each["content"] for each in answer["files"]}


def _problems(answer: Any) -> list[str]:
    found = []
    for each in answer["files"]:
        try:
            compile(each["content"], each["path"], "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            found.append(f"{each['path']}: {error}")
        if "def test_" not in each["content"]:
            found.append(f"{each['path']}: there is no test in it")
    return found


def _source(tree: Tree, planned: Plan) -> str:
    """The package, and the acceptance tests that are there, as far as they fit."""
    names = [name for name in tree.files() if name.startswith((f"{planned.analysis.package}/", FOLDER))]
    parts = []
    for name in names:
        try:
            parts.append(f"--- {name}\n{tree.path_of(name).read_text(encoding='utf-8')}")
        except (Outside, UnicodeDecodeError):
            continue
    return "\n".join(parts)[:_SOURCE_CHARS_MAX]
