"""Artifacts: bytes in, bytes out, streamed; never held in memory."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from orchestrator.engine.artifact_port import Artifacts
from penstock.http.endpoint import Answer, Body, Endpoint, json_answer
from penstock.http.reading import NoQuery, query_of, refuse_announced

IMMUTABLE = "public, max-age=31536000, immutable"  # the name is the content


class ArtifactView(msgspec.Struct, frozen=True):
    sha256: str
    size_bytes: int


class ArtifactDoor:
    """Takes and gives files."""

    def __init__(self, artifacts: Artifacts, *, bytes_max: int) -> None:
        self._artifacts = artifacts
        self._bytes_max = bytes_max

    async def put(self, request: Request) -> Response:
        query_of(request, NoQuery)
        refuse_announced(request, bytes_max=self._bytes_max)
        stored = await self._artifacts.put(request.stream())
        view = ArtifactView(sha256=stored.sha256, size_bytes=stored.size_bytes)
        return json_answer(view, status=201, headers={"location": f"/api/v1/artifacts/{stored.sha256}"})

    async def get(self, request: Request) -> Response:
        """Sent as a download: the bytes are somebody's, a browser must not run them under our address."""
        query_of(request, NoQuery)
        found = await self._artifacts.read(request.path_params["sha256"])
        return StreamingResponse(
            found.chunks,
            media_type="application/octet-stream",
            headers={
                "content-length": str(found.size_bytes),
                "content-disposition": f'attachment; filename="{found.sha256}"',
                "x-content-type-options": "nosniff",
                "cache-control": IMMUTABLE,
                "etag": f'"{found.sha256}"',
            },
        )


def artifact_endpoints(door: ArtifactDoor) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "POST",
            "/api/v1/artifacts",
            door.put,
            "put_artifact",
            "Keep a file",
            {201: Answer("It is kept under this name; again: nothing changes", ArtifactView)},
            "The body is the file's bytes, streamed, at most 1 GiB. A directory is a tar archive.",
            body=Body({"type": "string", "format": "binary"}, ("application/octet-stream",)),
        ),
        Endpoint(
            "GET",
            "/api/v1/artifacts/{sha256}",
            door.get,
            "get_artifact",
            "The bytes of a file, streamed",
            {200: Answer("The bytes", media_type="application/octet-stream")},
        ),
    )
