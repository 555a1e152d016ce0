"""What a run came to, for a person: its nodes, its output, its failures and what to do next."""

import json
from pathlib import Path
from typing import Any

from rich.text import Text

from penstock_cli import formats
from penstock_cli.api import Api
from penstock_cli.artifacts import download, references
from penstock_cli.follow import run_picture
from penstock_cli.output import data, people, say
from penstock_cli.parts import relations, what_waits_for_people

OUTPUT_CHARS_MAX = 4_000
STACK_LINES_MAX = 12


def show_summary(run: dict[str, Any]) -> None:
    """The end of `run --wait` and the whole of `runs get`."""
    people.print(run_picture(run))
    for line in (*relations(run), *what_waits_for_people(run)):
        say(line)
    for node in run["nodes"]:
        if node["failure"] and node["state"] == "failed":
            _show_failure(run, node)
    if run["failure"] and not any(node["failure"] for node in run["nodes"]):
        people.print(Text(formats.failure(run["failure"]), style="red"))
    if run["output"] is not None:
        show_output(run["output"])


def show_output(output: Any) -> None:
    text = json.dumps(output, indent=2, ensure_ascii=False)
    if len(text) > OUTPUT_CHARS_MAX:
        text = f"{text[:OUTPUT_CHARS_MAX]}\n… ({len(text) - OUTPUT_CHARS_MAX} characters more: use -o json)"
    data.print(text, markup=False, soft_wrap=True)


def fetch_artifacts(api: Api, run: dict[str, Any], folder: Path | None) -> None:
    """Save the artifacts that the output names into `folder`, or say how to."""
    found = list(references(run["output"]))
    if folder is None:
        if found:
            names = ", ".join(reference.name for reference in found)
            say(
                f"the output has artifacts ({names}); fetch them with: "
                f"penstock runs get {run['id']} --download FOLDER"
            )
        return
    for reference in found:
        say(f"saved {download(api, reference, folder)}")


def _show_failure(run: dict[str, Any], node: dict[str, Any]) -> None:
    failure = node["failure"]
    people.print(
        Text(
            f"\n{node['name']} failed (attempt {node['attempt']}, {failure.get('error_class', 'error')})",
            "bold red",
        )
    )
    say(f"  {failure['type']}: {failure['message']}")
    stack = (failure.get("stack") or "").splitlines()[-STACK_LINES_MAX:]
    for line in stack:
        people.print(Text(f"    {line}", style="dim"))
    say(f"  its log: penstock runs logs {run['id']} {node['name']}")
