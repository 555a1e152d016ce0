"""Who stands around Penstock in the load: a target of webhooks, an Alertmanager, somebody who watches a run."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import websockets

from tests.e2e.conftest import Api
from tests.stack import Stack

TOKEN = "a-token-of-the-load"
SOURCE = "office"
LOCAL = "127.0.0.0/8"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def notifier_settings(folder: Path) -> dict[str, str]:
    """One source of alerts, that may open a breaker; targets on this machine."""
    action = {"match": {"alertname": "CrmDown"}, "open_breaker": "billing"}
    config = {
        "alertmanagers": [{"name": SOURCE, "project": "default", "token": TOKEN, "actions": [action]}],
    }
    file = folder / "notifier.json"
    file.write_text(json.dumps(config))
    return {"PENSTOCK_NOTIFIER_CONFIG_FILE": str(file), "PENSTOCK_NOTIFIER_NETWORKS": LOCAL}


@asynccontextmanager
async def target() -> AsyncIterator[str]:
    """The URL of a server that takes every webhook."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.splitlines()
            if line.lower().startswith(b"content-length")
        )
        await reader.readexactly(length)
        writer.write(OK)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"


async def subscribe(stack: Stack, url: str) -> None:
    """Tell `url` of every run's end."""
    document = {"events": ["run.*"], "channel": {"webhook": {"url": url}}}
    async with httpx.AsyncClient(base_url=stack.notifier_url) as client:
        answer = await client.put("/api/v1/subscriptions/load", json=document)
    assert answer.is_success, answer.text


async def tell_alert(stack: Stack, number: int) -> None:
    """What an Alertmanager sends when an alert fires."""
    alert: dict[str, Any] = {
        "status": "firing",
        "labels": {"alertname": "CrmDown", "number": str(number)},
        "annotations": {},
        "startsAt": "2026-11-21T09:30:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": f"{number:016x}",
    }
    group = {
        "version": "4",
        "groupKey": '{}:{alertname="CrmDown"}',
        "status": "firing",
        "receiver": "penstock",
        "groupLabels": {"alertname": "CrmDown"},
        "commonLabels": {"alertname": "CrmDown"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "truncatedAlerts": 0,
        "alerts": [alert],
    }
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=stack.notifier_url) as client:
        answer = await client.post("/api/v1/alertmanager", json=group, headers=headers)
    assert answer.status_code == 200, answer.text


async def watch(api: Api, stack: Stack) -> None:
    """Look at a run until its end; it waits between two attempts, so that something comes while we look."""
    run = await api.start("shaky")
    url = f"{stack.url.replace('http', 'ws', 1)}/api/v1/runs/{run}/live"
    with contextlib.suppress(websockets.ConnectionClosed):  # a run's end has a code of its own
        async with websockets.connect(url) as viewer:
            async for _ in viewer:
                pass
