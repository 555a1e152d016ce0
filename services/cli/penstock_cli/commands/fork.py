"""`penstock runs fork`: go on from a node of a run, in a new run."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from penstock_cli.api import Api
from penstock_cli.changes import change_lines
from penstock_cli.commands.run import finish, label
from penstock_cli.errors import CommandError
from penstock_cli.inputs import read_inputs
from penstock_cli.output import Format, Output, data, people, print_json, say
from penstock_cli.person import By, person


def fork(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run to go on from.")],
    from_: Annotated[str, typer.Option("--from", metavar="NODE", help="The first node that runs again.")],
    version: Annotated[
        str | None, typer.Option(metavar="N|latest", help="Another version than the run's own.")
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="KEY=VALUE|KEY=@PATH",
            help="Instead of the run's own value; may be repeated; @PATH uploads a file or folder.",
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="KEY=VALUE", help="Instead of the run's labels; may be repeated."),
    ] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key starts only one run.")] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only show what would happen.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it; exit 0 only if it succeeds.")] = False,
    download: Annotated[
        Path | None, typer.Option(help="Save the output's artifacts into this folder.")
    ] = None,
    by: By = None,
    output: Output = Format.TEXT,
) -> None:
    """Start a new run that takes over what RUN did up to a node, and goes on from there."""
    api = Api()
    body: dict[str, Any] = {"from": from_, "by": person(by)} | _version(version)
    body |= {"input": _input(api, run, version, inputs)} if inputs else {}
    body |= {"labels": dict(map(label, labels))} if labels else {}
    found = api.fork(run, body | {"preview": True})
    if preview:
        if output is Format.JSON:
            print_json(found)
        else:
            _show(found, data)
        return
    _show(found, people)
    # The version that was shown, though a newer one were saved in between.
    body |= {"idempotency_key": idempotency_key} if idempotency_key else {"version": found["version"]}
    started = api.fork(run, body)
    say(f"started run {started['id']} of {started['workflow']} v{started['version']}")
    finish(api, started, wait=wait or download is not None, download=download, output=output)


def _version(text: str | None) -> dict[str, Any]:
    if text is None or text == "latest":
        return {"version": text} if text else {}
    if not text.isdecimal():
        raise CommandError(f"--version {text}: expected a number or 'latest'")
    return {"version": int(text)}


def _input(api: Api, run: str, version: str | None, pairs: list[str]) -> dict[str, Any]:
    """The run's own input with these values in their places, read as the fork's version means them."""
    source = api.run(run)
    number = None if version == "latest" else _version(version).get("version", source["version"])
    schema = api.workflow(source["workflow"], number)["definition"].get("inputs")
    return {**source["input"], **read_inputs(api, pairs, schema)}


def _show(preview: dict[str, Any], to: Console) -> None:
    title = f"{preview['workflow']} v{preview['version']} from {preview['from']}, like run {preview['source_run']}"
    lines = [Text(title, "bold")]
    lines += [Text(f"  takes over  {', '.join(preview['reused']) or 'nothing'}")]
    lines += [Text(f"  runs        {', '.join(preview['run_again'])}")]
    if preview["changed"]:
        lines.append(Text(f"  differs from v{preview['source_version']}"))
        lines += [change_lines(change) for change in preview["changed"]]
    to.print(Text("\n").join(lines), soft_wrap=True)
