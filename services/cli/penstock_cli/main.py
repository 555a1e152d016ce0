"""The `penstock` command."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from penstock_cli.commands import (
    alerts,
    answers,
    breakers,
    budgets,
    definitions,
    deliveries,
    demo,
    doctor,
    events,
    init,
    keeping,
    limits,
    overview,
    run,
    runs,
    schedules,
    stores,
    subscriptions,
    up,
    workflows,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for group in (
    up,
    demo,
    definitions,
    init,
    workflows,
    run,
    runs,
    answers,
    schedules,
    events,
    alerts,
    breakers,
    budgets,
    overview,
    limits,
    keeping,
    stores,
    doctor,
    subscriptions,
    deliveries,
):
    group.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"penstock {version('penstock-cli')}")
        raise typer.Exit


@app.callback()
def penstock(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Durable DAG workflows for sandboxed agents, over NATS. To see it work: penstock demo.

    Every command takes -o json. Settings: PENSTOCK_URL (default http://127.0.0.1:9002), PENSTOCK_NOTIFIER_URL
    (default http://127.0.0.1:9003), PENSTOCK_PROJECT, PENSTOCK_BY (who asks; default: your login name).
    """


def main() -> None:
    try:
        app()
    except BrokenPipeError:  # the reader had enough: `penstock runs ls | head`
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
