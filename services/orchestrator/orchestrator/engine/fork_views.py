"""What people read of a fork before it is made."""

from uuid import UUID

import msgspec

from penstock.definition.diff import Change


class ForkPreviewView(msgspec.Struct, frozen=True):
    """What a fork of `source_run` would do: the nodes whose outputs it takes over, those that it runs, each in
    the author's order, and what `version` defines differently from `source_version`."""

    source_run: UUID
    workflow: str
    source_version: int
    version: int
    from_: str = msgspec.field(name="from")
    reused: tuple[str, ...]
    run_again: tuple[str, ...]
    changed: tuple[Change, ...]
