"""`penstock prune` and `penstock retention`: what is deleted, and how long runs are kept."""

from typing import Annotated, Any

import typer

from penstock_cli import formats
from penstock_cli.api import Api
from penstock_cli.output import Format, Output, command, data, print_json

_COUNTED = ("runs", "events", "log_lines", "artifacts", "artifact_bytes")

Project = Annotated[str | None, typer.Option(help="Another project than that of PENSTOCK_PROJECT.")]


def register(app: typer.Typer) -> None:
    command(app, "prune")(prune)
    retention = typer.Typer(no_args_is_help=True, help="How long a project keeps its runs.")
    command(retention, "get")(get)
    command(retention, "set")(set_)
    app.add_typer(retention, name="retention")


def prune(
    older_than: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Such as 7d, instead of what the project keeps."),
    ] = None,
    project: Project = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be deleted.")] = False,
    output: Output = Format.TEXT,
) -> None:
    """Delete runs that were kept long enough, and artifacts that nothing names any more."""
    api = Api(project=project)
    report = api.prune(older_than=older_than, dry_run=dry_run)
    while report["more"]:
        report = _together(report, api.prune(older_than=older_than, dry_run=dry_run))
    if output is Format.JSON:
        print_json(report)
        return
    data.print("would be deleted:" if dry_run else "deleted:")
    for name, text in _lines(report):
        data.print(f"  {name:<10} {text}", markup=False)


def get(project: Project = None, output: Output = Format.TEXT) -> None:
    """Tell how long a project keeps its runs after their end."""
    _show(Api(project=project).retention(), output)


def set_(
    duration: Annotated[str, typer.Argument(metavar="DURATION", help="Such as 90d.")],
    project: Project = None,
    output: Output = Format.TEXT,
) -> None:
    """Set how long a project keeps its runs after their end."""
    _show(Api(project=project).set_retention(duration), output)


def _show(document: dict[str, Any], output: Format) -> None:
    if output is Format.JSON:
        print_json(document)
        return
    default = " (the default)" if document["is_default"] else ""
    data.print(f"{document['project']}: {document['retention']}{default}", markup=False)


def _together(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """What several orders deleted."""
    counts = {name: first[name] + second[name] for name in _COUNTED}
    return {**second, **counts, "partitions": [*first["partitions"], *second["partitions"]]}


def _lines(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("runs", str(report["runs"])),
        ("events", str(report["events"])),
        ("log lines", str(report["log_lines"])),
        ("months", ", ".join(report["partitions"]) or "none"),
        ("artifacts", f"{report['artifacts']} ({formats.size(report['artifact_bytes'])})"),
    ]
