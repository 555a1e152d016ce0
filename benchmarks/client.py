"""A lean HTTP/1.1 client: on two cores the measuring side must cost less than what it measures."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import msgspec

Json = Any


class Connection:
    """One keep-alive connection; one request at a time."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, host: str, project: str
    ) -> None:
        self._reader, self._writer = reader, writer
        self._fixed = f"Host: {host}\r\nX-Penstock-Project: {project}\r\nContent-Type: application/json\r\n"

    @classmethod
    async def open(cls, url: str, *, project: str = "default") -> "Connection":
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=16 * 1024 * 1024)
        return cls(reader, writer, host=parts.netloc, project=project)

    async def request(self, method: str, path: str, body: Json = None) -> Json:
        """The decoded answer; raises RuntimeError for anything but 2xx."""
        payload = b"" if body is None else msgspec.json.encode(body)
        head = f"{method} {path} HTTP/1.1\r\n{self._fixed}Content-Length: {len(payload)}\r\n\r\n"
        self._writer.write(head.encode() + payload)
        headers = await self._reader.readuntil(b"\r\n\r\n")
        status = int(headers[9:12])
        answer = await self._reader.readexactly(_length(headers))
        if not 200 <= status < 300:
            raise RuntimeError(f"{method} {path}: {status} {answer[:500]!r}")
        return msgspec.json.decode(answer)

    async def start(self, workflow: str, run_input: Json) -> str:
        run = await self.request("POST", "/api/v1/runs", {"workflow": workflow, "input": run_input})
        return str(run["id"])

    async def wait(self, run: str) -> Json:
        """The run, once it has ended."""
        while True:
            state = await self.request("GET", f"/api/v1/runs/{run}?wait=60")
            if state["ended_at"]:
                return state

    def close(self) -> None:
        self._writer.close()


def _length(headers: bytes) -> int:
    for line in headers.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    raise RuntimeError("an answer without content-length")
