"""A world that breaks: kills services at random instants, and a client that insists on every start."""

import asyncio
import os
import random
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.chaos.shapes import SHAPES
from tests.stack import Stack

PAUSE_S = (0.3, 1.5)  # between two blows
DOWN_S = (0.0, 0.8)  # how long a killed service stays down
START_PAUSE_S = (0.0, 0.25)  # between two starts
INSIST_S = 60.0  # how long the client repeats one start
END_S = 150.0  # from the last blow until every accepted run must have ended


@dataclass
class World:
    """One seed, one stack, one list of accepted runs."""

    stack: Stack
    chance: random.Random
    defined: Sequence[dict[str, Any]] = SHAPES
    started: Sequence[dict[str, Any]] = SHAPES
    accepted: dict[str, str] = field(default_factory=dict)  # idempotency key → run
    workflow_of: dict[str, str] = field(default_factory=dict)  # run → workflow
    blows: list[str] = field(default_factory=list)

    async def apply_workflows(self) -> None:
        async with httpx.AsyncClient(base_url=self.stack.url, timeout=5) as client:
            for shape in self.defined:
                (await client.post("/api/v1/workflows", json=shape)).raise_for_status()

    async def submit(self, numbers: range) -> None:
        """Start a run of some shape for each number, with a key that makes repeating it harmless."""
        async with httpx.AsyncClient(base_url=self.stack.url, timeout=5) as client:
            for number in numbers:
                shape = self.started[number % len(self.started)]
                given = {"value": number, "seconds": round(self.chance.uniform(0.05, 0.6), 2)}
                key = f"chaos-{number}"
                body = {"workflow": shape["name"], "input": given, "idempotency_key": key}
                run = self.accepted[key] = await insist(client, body)
                self.workflow_of[run] = shape["name"]
                await asyncio.sleep(self.chance.uniform(*START_PAUSE_S))

    async def strike(self, until: asyncio.Event) -> None:
        """Kill something, let it lie, raise it; again until told to stop."""
        while not until.is_set():
            await asyncio.sleep(self.chance.uniform(*PAUSE_S))
            await self.blow(self.chance.choice([*self.stack.services, "nats", "postgres"]))

    async def blow(self, target: str) -> None:
        self.blows.append(f"kill {target}")
        server = {"nats": self.stack.nats, "postgres": self.stack.postgres}.get(target)
        if server is not None:
            server.kill()
        else:
            self.stack.kill(target)
        await asyncio.sleep(self.chance.uniform(*DOWN_S))
        if server is not None:
            server.start()
        else:
            self.stack.start(target)

    def lose_the_bus(self) -> None:
        """NATS dies and its JetStream directory is gone."""
        self.blows.append("delete JetStream")
        self.stack.nats.kill()
        shutil.rmtree(self.stack.nats.store)
        self.stack.nats.start()

    async def pause_a_runner(self, *, seconds: float, name: str = "runner-0") -> None:
        """A runner that thinks it still holds its leases. It may be killed meanwhile."""
        pid = self.stack.services[name].pid
        if pid is None:
            return  # it was killed already
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self.blows.append(f"pause {name} for {seconds:g} s")
            await asyncio.sleep(seconds)
            os.kill(pid, signal.SIGCONT)

    async def pause_runners(self, until: asyncio.Event, *, seconds: float) -> None:
        """One after the other, until told to stop."""
        while not until.is_set():
            await self.pause_a_runner(
                seconds=seconds, name=f"runner-{self.chance.randrange(self.stack.runners)}"
            )
            await asyncio.sleep(self.chance.uniform(*PAUSE_S))

    async def until_all_ended(self) -> dict[str, str]:
        """Run → final state; a run that never ends shows its state and explanation."""
        loop = asyncio.get_running_loop()
        until = loop.time() + END_S
        async with httpx.AsyncClient(base_url=self.stack.url, timeout=10) as client:
            return {run: await final_state(client, run, until) for run in self.accepted.values()}


async def insist(client: httpx.AsyncClient, body: dict[str, object]) -> str:
    """Start a run; repeat while nobody answers. The key makes sure that it is one run."""
    loop = asyncio.get_running_loop()
    until = loop.time() + INSIST_S
    while True:
        try:
            answer = await client.post("/api/v1/runs", json=body)
            if answer.status_code in (200, 201):
                return str(answer.json()["id"])
            problem = answer.text
        except httpx.HTTPError as error:
            problem = repr(error)
        assert loop.time() < until, f"nobody accepted {body['idempotency_key']}: {problem}"
        await asyncio.sleep(0.1)


async def final_state(client: httpx.AsyncClient, run: str, until: float) -> str:
    loop = asyncio.get_running_loop()
    while True:
        left = max(0.0, until - loop.time())
        view = (await client.get(f"/api/v1/runs/{run}", params={"wait": int(min(5, left))})).json()
        if view["ended_at"]:
            return str(view["state"])
        if left <= 0:
            explanation = (await client.get(f"/api/v1/runs/{run}/explain")).json()
            return f"{view['state']}: {explanation}"
