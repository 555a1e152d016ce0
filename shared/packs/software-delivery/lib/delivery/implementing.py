"""The implementer: what the blueprint gives, then what a model writes on the working tree with tools."""

import json
import subprocess
import sys
from dataclasses import dataclass, field

from delivery import plan, scaffold
from delivery.asking import WHAT_TO_CONFIGURE, has_model
from delivery.contracts import operations_of
from delivery.plan import Plan
from delivery.review import Comment
from delivery.testing import Case
from delivery.toolbox import tools_on
from delivery.worktree import Tree
from penstock.agents import Invalid

FILES_TOLD = 500  # of a large repository; the tool lists all
ROUNDS_MAX = 30  # answers of the model in one attempt
_SYSTEM = """You are the implementer of a team. You work on a Git working tree of Python 3.11, standard library
only. Use the tools to look at it, to write whole files, and to run the tests. The contracts (contracts/*.json)
are binding. You may not write below contracts/, delivery/, tests/contract/ and tests/acceptance/: those belong
to others, who test and review what you do. Keep functions short, names plain, and SQL bound. When the work is
done and the tests pass, answer without calling a tool, in two or three sentences: what you did, and what you
think is wrong with a test, if one is."""


@dataclass(frozen=True)
class Feedback:
    """What the round before has found: tests that failed, and what the reviewer wants changed."""

    failures: list[Case] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    notes: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.failures or self.comments)


def implement(tree: Tree, *, number: int, feedback: Feedback, model: str) -> str:
    """Change the tree, and commit as the implementer; gives what the implementer has to say."""
    planned = plan.read(tree)
    notes = ""
    if number == 1:
        notes = _build(tree, planned)
    left = _left(tree, planned)
    asked = has_model(model)
    if not feedback.is_empty and not asked:
        raise Invalid(f"{told(feedback)}. Without a model nothing can mend this: {WHAT_TO_CONFIGURE}")
    if asked and (left or not feedback.is_empty):
        notes = _by_model(tree, planned, left, feedback)
        tree.commit("implementer", f"Round {number}: {_subject(notes)}\n\n{notes}")
    return notes


def _build(tree: Tree, planned: Plan) -> str:
    """Files that are there already stay: they are somebody's work."""
    files = scaffold.package_files(planned.analysis, planned.blueprint)
    package = f"{planned.analysis.package}/"
    taken = [name for name in files if name.startswith(package) and (tree.folder / name).exists()]
    if taken:
        raise Invalid(
            f"repository: {', '.join(taken)} exists; give the requirements another title, or move it"
        )
    written = tree.write(files, keep=True)
    _formatted(tree, [name for name in written if name.endswith(".py")])
    kept = sorted({*files} - {*written})
    notes = f"Built from the blueprint '{planned.choice.name}'" + (
        f"; kept: {', '.join(kept)}" if kept else ""
    )
    tree.commit("implementer", f"Build {planned.analysis.package} from {planned.choice.name}\n\n{notes}.")
    return notes


def _formatted(tree: Tree, names: list[str]) -> None:
    command = [sys.executable, "-P", "-m", "ruff", "format", "--isolated", "--no-cache", "--quiet"]
    options = ["--line-length=110", "--target-version=py311"]
    subprocess.run([*command, *options, "--", *names], cwd=tree.folder, check=True, timeout=60)


def _left(tree: Tree, planned: Plan) -> list[str]:
    """What the blueprint does not do: requirements with a gap, and operations that it has no code for."""
    left = [f"{each.id}: {each.text} ({each.gap})" for each in planned.analysis.gaps]
    file = tree.folder / planned.analysis.package / "operations.py"
    done = file.read_text(encoding="utf-8") if file.is_file() else ""
    for name, document in plan.contracts(tree).items():
        for path, verb, operation in operations_of(document):
            if f'"{operation["operationId"]}"' not in done:
                left.append(f"{name}: {operation['operationId']} ({verb.upper()} {path}) is not implemented")
    return left


def _by_model(tree: Tree, planned: Plan, left: list[str], feedback: Feedback) -> str:
    from penstock.agents import llm

    tools = [llm.tool(each) for each in tools_on(tree)]
    asked = [
        f"The software: {planned.analysis.title}. {planned.analysis.summary}",
        f"The package is {planned.analysis.package}/; the files are:\n"
        + "\n".join(tree.files()[:FILES_TOLD]),
        "To do:\n" + json.dumps(left, indent=1, ensure_ascii=False),
    ]
    if not feedback.is_empty:
        asked.append(f"The last round found this; mend it:\n{_details(feedback)}")
    messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": "\n\n".join(asked)}]
    return llm.converse(messages, tools=tools, rounds=ROUNDS_MAX).text.strip() or "Done."


def _details(feedback: Feedback) -> str:
    failed = [f"test {each.name}:\n{each.message}" for each in feedback.failures]
    wanted = [f"{each.file}:{each.line}: {each.text}" for each in feedback.comments]
    return "\n\n".join([*failed, *wanted])


def told(feedback: Feedback) -> str:
    """In a sentence, for the one who runs the workflow."""
    firsts = [f"{each.name}: {_essence(each.message)}" for each in feedback.failures]
    said = [f"{len(feedback.failures)} tests fail ({'; '.join(firsts[:3])})"] if feedback.failures else []
    said += [f"{each.file}:{each.line} {each.text}" for each in feedback.comments[:3]]
    return "; ".join(said)


def _essence(message: str) -> str:
    """The line that says what went wrong: pytest's first with an E, or the first of all."""
    lines = message.splitlines()
    first = next((line.removeprefix("E ").strip() for line in lines if line.startswith("E ")), "")
    return (first or next(iter(lines), "no message"))[:200]


def _subject(notes: str) -> str:
    return notes.splitlines()[0][:60] if notes else "work"
