"""Who asks: what `--by` says, or the name of the person who is logged in."""

import getpass
from typing import Annotated

import typer

By = Annotated[
    str | None,
    typer.Option("--by", envvar="PENSTOCK_BY", help="Who does this; your login name when left out."),
]


def person(by: str | None) -> str:
    if by:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a user of this id
        return "cli"
