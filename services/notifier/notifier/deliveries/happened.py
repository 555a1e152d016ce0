"""Reads a CloudEvent of the bus into what rules and expressions see."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from notifier.rules.kinds import TYPE_PREFIX
from notifier.rules.subscription import Happened
from penstock.contracts import subjects
from penstock.contracts.wire import Undecodable
from penstock.contracts.workflow import Json

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def project_and_kind(subject: str) -> tuple[str, str]:
    """What an event's subject says of it; empty if it says nothing."""
    project, _, rest = subject.removeprefix(f"{subjects.EVENT}.").partition(".")
    _, _, kind = rest.partition(".")
    return project, kind


def happened(data: bytes | str) -> Happened:
    """Raises Undecodable for anything that is no event of a run."""
    text = data if isinstance(data, str) else data.decode(errors="replace")
    try:
        document = _decode(text)
        _, projects, project, workflows, workflow = str(document["source"]).split("/")
        run, _, seq = str(document["id"]).partition("/")
        if (projects, workflows) != ("projects", "workflows") or not document["type"].startswith(TYPE_PREFIX):
            raise ValueError(f"source {document['source']}, type {document['type']}")
        at = datetime.fromisoformat(document["time"]).astimezone(UTC)
        kind = document["type"].removeprefix(TYPE_PREFIX)
        if "\x00" in f"{document['id']}{kind}{workflow}":
            raise ValueError("a name with the character U+0000")
        members: dict[str, Json] = {
            **document,
            "project": project,
            "workflow": workflow,
            "run": run,
            "seq": int(seq),
            "kind": kind,
        }
        return Happened(
            id=document["id"],
            kind=kind,
            project=project,
            workflow=workflow,
            run=UUID(run),
            at=at,
            document=members,
            text=text,
            traceparent=document.get("traceparent"),
        )
    except (msgspec.MsgspecError, KeyError, ValueError, AttributeError, TypeError) as error:
        raise Undecodable(f"not an event of a run: {error}") from error
