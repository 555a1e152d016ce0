"""`penstock approve` and `penstock reject`: a person's answer to what a node asks."""

from typing import Annotated, Any

import typer

from penstock_cli.api import Api
from penstock_cli.commands.steering import Run, show_state
from penstock_cli.inputs import read_inputs
from penstock_cli.output import Format, Output, command
from penstock_cli.person import By, person

Node = Annotated[str, typer.Argument(metavar="NODE", help="The node that asks.")]
Question = Annotated[
    str | None,
    typer.Option(metavar="KEY", help="Only if this is what the node's agent asks now."),
]
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
    question: Question = None,
    by: By = None,
    output: Output = Format.TEXT,
) -> None:
    """Say yes to what a node asks; the run goes on.

    Values are JSON where the form does not say that they are strings.
    """
    api = Api()
    waiting = _asked(api, run, node)
    filled = read_inputs(api, fields, waiting.get("form"), option="--field") if fields else {}
    told = {"comment": comment, "fields": filled or None, "question": question or waiting.get("key")}
    show_state(api.answer(run, node, "approve", by=person(by), **told), output)


def reject(
    run: Run,
    node: Node,
    comment: Comment = None,
    question: Question = None,
    by: By = None,
    output: Output = Format.TEXT,
) -> None:
    """Say no to what a node asks: the node fails. If its agent asks, the agent is told so."""
    api = Api()
    key = question or _asked(api, run, node).get("key")
    show_state(api.answer(run, node, "reject", by=person(by), comment=comment, question=key), output)


def _asked(api: Api, run: str, node: str) -> dict[str, Any]:
    """What is asked now: an answer sent twice must not be taken for one to the next question."""
    asked: dict[str, Any] = api.node(run, node).get("waiting_for") or {}
    return asked
