"""Where words go: data to stdout, messages for people to stderr; and the `-o json` of every command."""

import functools
import json
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, NoReturn, ParamSpec

import typer
from rich.console import Console

from penstock_cli.errors import CommandError

P = ParamSpec("P")

COLUMNS_PIPED = 200  # a file or a pipe has no width: wide enough that no table is cut


def _console(*, stderr: bool, markup: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else COLUMNS_PIPED
    return Console(stderr=stderr, highlight=False, markup=markup, width=width)


people = _console(stderr=True, markup=True)
"""Messages for people."""

data = _console(stderr=False, markup=False)
"""Data for people: tables and texts, on stdout. Others wrote them: `[x]` and `[/b]` are no markup."""


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


Output = Annotated[
    Format, typer.Option("--output", "-o", help="What to print on stdout.", envvar="PENSTOCK_OUTPUT")
]


def print_json(document: Any) -> None:
    """One JSON document on stdout; a reader that went away (`| head`) is not an error."""
    json.dump(document, sys.stdout, indent=2 if sys.stdout.isatty() else None, ensure_ascii=False)
    sys.stdout.write("\n")
    sys.stdout.flush()


def say(message: str) -> None:
    """A message for people, without markup: it may hold anything that others wrote."""
    people.print(message, markup=False, soft_wrap=True)


def fail(error: CommandError, output: Format) -> NoReturn:
    """End the command: the reason for people, and as a document for programs."""
    people.print("[bold red]error:[/] ", end="")
    people.print(str(error), markup=False, soft_wrap=True)
    if output is Format.JSON:
        print_json(error.document())
    raise typer.Exit(1)


def command(app: typer.Typer, name: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Register a command whose CommandErrors become messages and exit code 1."""

    def register(function: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                function(*args, **kwargs)
            except CommandError as error:
                output = kwargs.get("output")
                fail(error, output if isinstance(output, Format) else Format.TEXT)

        app.command(name)(wrapped)
        return wrapped

    return register
