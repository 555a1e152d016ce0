"""`penstock run`: start a run and, if asked, follow it to its end."""

from pathlib import Path
from typing import Annotated, Any

import typer

from penstock_cli.api import Api
from penstock_cli.errors import CommandError
from penstock_cli.follow import follow
from penstock_cli.inputs import read_inputs
from penstock_cli.output import Format, Output, command, print_json, say
from penstock_cli.person import By, person
from penstock_cli.saving import save_file
from penstock_cli.summary import fetch_artifacts, show_summary

EXIT_INTERRUPTED = 130  # what shells give for SIGINT


def register(app: typer.Typer) -> None:
    command(app, "run")(run)


def run(
    workflow: Annotated[
        str, typer.Argument(metavar="WORKFLOW|FILE", help="A saved workflow, or a file to save first.")
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="KEY=VALUE|KEY=@PATH",
            help="One input, may be repeated; @PATH uploads a file or folder.",
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it; exit 0 only if it succeeds.")] = False,
    version: Annotated[int | None, typer.Option(help="A version other than the latest.")] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="KEY=VALUE", help="To find it again; may be repeated."),
    ] = None,
    priority: Annotated[
        int | None, typer.Option(help="From 1, the most urgent, to 9; 5 if left out.")
    ] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key starts only one run.")] = None,
    download: Annotated[
        Path | None, typer.Option(help="Save the output's artifacts into this folder.")
    ] = None,
    by: By = None,
    output: Output = Format.TEXT,
) -> None:
    """Start a run of WORKFLOW, or of the workflow in FILE.

    Values are JSON where the workflow's inputs do not say that they are strings.
    """
    api = Api()
    saved = _workflow(api, workflow, version)
    body: dict[str, Any] = {
        "workflow": saved["name"],
        "input": read_inputs(api, inputs or [], _schema(saved)),
        "by": person(by),
    }
    body |= {"version": version} if version else {}
    body |= {"labels": dict(map(label, labels))} if labels else {}
    body |= {"priority": priority} if priority is not None else {}
    body |= {"idempotency_key": idempotency_key} if idempotency_key else {}
    started = api.start_run(body)
    say(f"started run {started['id']} of {started['workflow']} v{started['version']}")
    finish(api, started, wait=wait or download is not None, download=download, output=output)


def finish(api: Api, started: dict[str, Any], *, wait: bool, download: Path | None, output: Format) -> None:
    """Show the run, as it is or once it has ended; exit code 1 when an awaited run did not succeed."""
    if not wait:
        if output is Format.JSON:
            print_json(started)
        else:
            say(f"follow it with: penstock runs get {started['id']} --wait")
            print(started["id"])
        return
    try:
        ended = follow(api, started["id"])
    except KeyboardInterrupt:
        say(f"\nthe run goes on; see it with: penstock runs get {started['id']} --wait")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if output is Format.JSON:
        print_json(ended)
    else:
        show_summary(ended)
    fetch_artifacts(api, ended, download)
    if ended["state"] != "succeeded":
        raise typer.Exit(1)


def _workflow(api: Api, name: str, version: int | None) -> dict[str, Any]:
    """The saved workflow; what looks like a file is saved first."""
    if name.endswith((".yaml", ".yml", ".json")) or "/" in name:
        if version is not None:
            raise CommandError(
                f"--version {version}: a file is saved and run as it is; name the saved workflow"
            )
        saved, _ = save_file(api, Path(name))
        return saved
    return api.workflow(name, version)


def _schema(workflow: dict[str, Any]) -> Any:
    definition = workflow.get("definition")
    return definition.get("inputs") if isinstance(definition, dict) else None


def label(pair: str) -> tuple[str, str]:
    key, separator, value = pair.partition("=")
    if not separator or not key:
        raise CommandError(f"--label {pair}: expected KEY=VALUE")
    return key, value
