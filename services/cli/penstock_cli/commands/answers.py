"""`penstock approve` and `penstock reject`: a person's answer to what a node asks."""

from typing import Annotated

import typer

from penstock_cli.api import Api
from penstock_cli.commands.steering import Run, show_state
from penstock_cli.inputs import read_inputs
from penstock_cli.output import Format, Output, command
from penstock_cli.person import By, person

Node = Annotated[str, typer.Argument(metavar="NODE", help="The node that asks.")]
Comment = Annotated[str | None, typer.Option(help="Why; it stands in the timeline.")]


def register(app: typer.Typer) -> None:
    command(app, "approve")(approve)
    command(app, "reject")(reject)


def approve(
    run: Run,
    node: Node,
    comment: Comment = None,
    fields: Annotated[
        list[str] | None,
        typer.Option("--field", metavar="KEY=VALUE", help="One field of the form, may be repeated."),
    ] = None,
    by: By = None,
    output: Output = Format.TEXT,
) -> None:
    """Say yes to what a node asks; the run goes on.

    Values are JSON where the form does not say that they are strings.
    """
    api = Api()
    filled = {}
    if fields:
        waiting = api.node(run, node).get("waiting_for") or {}
        filled = read_inputs(api, fields, waiting.get("form"), option="--field")
    show_state(
        api.answer(run, node, "approve", by=person(by), comment=comment, fields=filled or None), output
    )


def reject(
    run: Run, node: Node, comment: Comment = None, by: By = None, output: Output = Format.TEXT
) -> None:
    """Say no to what a node asks; the node fails."""
    show_state(Api().answer(run, node, "reject", by=person(by), comment=comment), output)
