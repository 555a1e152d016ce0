"""Definitions, and rows of runs in states that would need runners and time."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
import uuid_utils.compat as uuid_utils

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

GREET = """\
name: greet
description: Says hello
inputs:
  type: object
  required: [name]
  additionalProperties: false
  properties:
    name: {type: string}
    times: {type: integer, default: 2}
nodes:
  hello:
    agent: greeter
    with: {name: "${{ inputs.name }}"}
  polish:
    agent: polisher
    with: {text: "${{ nodes.hello.output.text }}"}
output: {text: "${{ nodes.polish.output.text }}"}
"""
GREET_LOUDER = GREET.replace("Says hello", "Shouts hello")


YAML = {"content-type": "application/yaml"}
START: dict[str, Any] = {"workflow": "greet", "input": {"name": "Ada"}}


async def save(api: httpx.AsyncClient, text: str = GREET, **headers: str) -> httpx.Response:
    return await api.post("/workflows", content=text, headers=YAML | headers)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def as_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


@dataclass
class Rows:
    """Each method writes one row; what is not given has a plausible value."""

    connection: asyncpg.Connection

    async def run(self, workflow: str = "greet", **fields: Any) -> UUID:
        state = fields.get("state", "running")
        ended = state in ("succeeded", "failed", "cancelled", "compensated")
        created_at = fields.get("created_at", NOON)
        row = {
            "id": uuid_utils.uuid7(),
            "project": "default",
            "workflow": workflow,
            "workflow_version": 1,
            "state": state,
            "version": 1,
            "nodes_total": 2,
            "nodes_open": 0 if ended else 2,
            "input": as_json({"name": "Ada", "times": 2}),
            "failure": as_json({"type": "Broken", "message": "it broke"}) if state == "failed" else None,
            "labels": "{}",
            "created_at": created_at,
            "ended_at": created_at + seconds(10) if ended else None,
            **fields,
        }
        await self._insert("run", row)
        return row["id"]

    async def node(self, run_id: UUID, name: str, state: str, **fields: Any) -> None:
        succeeded = state in ("succeeded", "compensating", "compensated", "compensation_failed")
        ended = succeeded or state in ("failed", "skipped", "cancelled")
        running = state == "running"
        row = {
            "run_id": run_id,
            "name": name,
            "state": state,
            "attempt": 1,
            "publication": 1,
            "token": uuid_utils.uuid7() if running else None,
            "runner": "runner-1" if running else None,
            "output": as_json({}) if succeeded and "output_run" not in fields else None,
            "completed_version": 1 if succeeded else None,
            "failure": as_json({"type": "Broken", "message": "it broke"}) if state == "failed" else None,
            "ready_at": NOON,
            "wake_at": None if ended else NOON + seconds(30),
            "ended_at": NOON + seconds(5) if ended else None,
            **fields,
        }
        await self._insert("node", row)

    async def event(self, run_id: UUID, seq: int, kind: str, **fields: Any) -> None:
        data = as_json(fields.pop("data", {}))
        at = fields.pop("at", NOON + seconds(seq))
        await self._insert(
            "run_event", {"run_id": run_id, "seq": seq, "at": at, "kind": kind, "data": data, **fields}
        )

    async def log_line(self, run_id: UUID, node: str, line: int, text: str, *, attempt: int = 1) -> None:
        row = {"run_id": run_id, "node": node, "attempt": attempt, "line": line, "text": text}
        await self._insert("node_log", row | {"at": NOON + seconds(line), "stream": "stderr"})

    async def runner(self, id: str, agents: list[dict[str, Any]], **fields: Any) -> None:
        row = {"id": id, "pool": "default", "host": "here", "slots": 4, "tier": "bwrap", **fields}
        await self._insert("runner", row | {"agents": as_json(agents)})

    async def count(self, table: str) -> int:
        return await self.connection.fetchval(f"select count(*) from {table}")

    async def _insert(self, table: str, row: dict[str, Any]) -> None:
        columns = ", ".join(row)
        places = ", ".join(f"${place}" for place in range(1, len(row) + 1))
        await self.connection.execute(f"insert into {table} ({columns}) values ({places})", *row.values())
