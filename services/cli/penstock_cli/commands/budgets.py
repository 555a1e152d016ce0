"""`penstock budgets`: what calls of models have cost and may cost still; limit a project, raise a run's budget."""

from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from penstock_cli.api import Api
from penstock_cli.output import Format, Output, command, data, print_json, say
from penstock_cli.person import By, person

Reason = Annotated[str | None, typer.Option(help="Why; it is kept with your name.")]


class OnLimit(StrEnum):
    """What becomes of a call that the budget has no room for."""

    FAIL = "fail"
    PAUSE = "pause"
    ASK = "ask"


def register(app: typer.Typer) -> None:
    budgets = typer.Typer(no_args_is_help=True, help="Look at budgets of model calls, set and raise them.")
    command(budgets, "ls")(ls)
    command(budgets, "set")(set_budget)
    command(budgets, "clear")(clear)
    command(budgets, "raise")(raise_budget)
    app.add_typer(budgets, name="budgets")


def ls(
    workflow: Annotated[str | None, typer.Option(help="Only of this workflow.")] = None,
    run: Annotated[str | None, typer.Option(help="Only of this run.")] = None,
    day: Annotated[str | None, typer.Option(help="Another day than today (UTC), such as 2026-11-20.")] = None,
    output: Output = Format.TEXT,
) -> None:
    """Show what is spent, reserved and left: of the project, its workflows and its open runs."""
    document = Api().budgets({"workflow": workflow, "run": run, "day": day})
    if output is Format.JSON:
        print_json(document)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("budget", "at the limit", "dollars", "spent", "left", "tokens", "spent", "left"):
        table.add_column(heading, no_wrap=True)
    for budget in document["items"]:
        dollars, tokens = budget["dollars"], budget["tokens"]
        table.add_row(
            budget["key"],
            budget["on_limit"] or "",
            *_amounts(dollars, "{:.4f}"),
            *_amounts(tokens, "{}"),
        )
    data.print(table)
    for budget in document["items"]:
        if budget["unpriced"]:
            say(f"{budget['key']}: of {budget['unpriced']} calls nobody knows the price")
    if not document["items"]:
        say("no model was called yet, and no budget is set")


def _amounts(amounts: dict[str, Any], pattern: str) -> list[str | Text]:
    """The limit, what counts against it, and what is left: red when nothing is."""
    spent = pattern.format(amounts["spent"])
    if amounts["reserved"]:
        spent += f" + {pattern.format(amounts['reserved'])} reserved"
    if amounts["limit"] is None:
        return ["", spent, ""]
    left = Text(pattern.format(amounts["left"]), "" if amounts["left"] else "red")
    return [pattern.format(amounts["limit"]), spent, left]


def set_budget(
    day_dollars: Annotated[float | None, typer.Option(help="Of a day (UTC).")] = None,
    day_tokens: Annotated[int | None, typer.Option(help="Of a day (UTC).")] = None,
    total_dollars: Annotated[float | None, typer.Option(help="Of all days together.")] = None,
    total_tokens: Annotated[int | None, typer.Option(help="Of all days together.")] = None,
    on_limit: Annotated[OnLimit, typer.Option(help="What becomes of a call beyond it.")] = OnLimit.FAIL,
    reason: Reason = None,
    by: By = None,
    output: Output = Format.TEXT,
) -> None:
    """Set the budget of the project, in the place of what was set before."""
    amounts = {
        "day": {"dollars": day_dollars, "tokens": day_tokens},
        "total": {"dollars": total_dollars, "tokens": total_tokens},
    }
    known = {
        period: said
        for period, given in amounts.items()
        if (said := {unit: amount for unit, amount in given.items() if amount is not None})
    }
    body = {**known, "on_limit": on_limit.value, "by": person(by), **({"reason": reason} if reason else {})}
    budget = Api().set_budget(body)
    if output is Format.JSON:
        print_json(budget)
    else:
        say("the project's budget is set: penstock budgets ls")


def clear(reason: Reason = None, by: By = None, output: Output = Format.TEXT) -> None:
    """Clear the budget of the project."""
    Api().clear_budget(by=person(by), reason=reason)
    if output is Format.JSON:
        print_json({})
    else:
        say("the project has no budget any more")


def raise_budget(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")],
    dollars: Annotated[float | None, typer.Option(help="To add to the limit.")] = None,
    tokens: Annotated[int | None, typer.Option(help="To add to the limit.")] = None,
    reason: Reason = None,
    by: By = None,
    output: Output = Format.TEXT,
) -> None:
    """Raise a run's budget; a run that it has paused goes on with `penstock runs resume`."""
    said = {"dollars": dollars, "tokens": tokens, "reason": reason}
    body = {"by": person(by), **{key: value for key, value in said.items() if value is not None}}
    budget = Api().raise_budget(run, body)
    if output is Format.JSON:
        print_json(budget)
        return
    for unit in ("dollars", "tokens"):
        if budget[unit]["limit"] is not None:
            say(f"{budget['key']} is {budget[unit]['limit']} {unit} now, {budget[unit]['left']} are left")
