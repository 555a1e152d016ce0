"""Statements that are long enough for a file of their own."""

from pathlib import Path


def statement(name: str) -> str:
    """The text of `<name>.sql`."""
    return (Path(__file__).parent / f"{name}.sql").read_text()
