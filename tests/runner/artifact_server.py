"""The orchestrator's artifact routes, as the contract has them: POST a body, GET it by its hash. Real HTTP."""

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from agent_runner.serving import Serving


@dataclass
class ArtifactServer:
    """Files by hash in `folder`. `fetched` counts downloads by hash."""

    folder: Path
    url: str = ""
    fetched: dict[str, int] = field(default_factory=dict)
    projects: set[str] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def opened(cls, folder: Path) -> AsyncIterator["ArtifactServer"]:
        os.mkdir(folder)
        server = cls(folder)
        routes = [
            Route("/api/v1/artifacts", server._post, methods=["POST"]),
            Route("/api/v1/artifacts/{sha256}", server._get),
        ]
        served = await Serving(Starlette(routes=routes)).on_tcp("127.0.0.1", 0)
        server.url = f"http://127.0.0.1:{served.port}"
        yield server
        served.close()

    def keep(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        (self.folder / sha256).write_bytes(content)
        return sha256

    def content(self, uri: str) -> bytes:
        return (self.folder / uri.removeprefix("artifact://").split("/")[0]).read_bytes()

    async def _post(self, request: Request) -> Response:
        content = await request.body()
        self.projects.add(request.headers["x-penstock-project"])
        return JSONResponse({"sha256": self.keep(content), "size_bytes": len(content)}, status_code=201)

    async def _get(self, request: Request) -> Response:
        sha256 = request.path_params["sha256"]
        self.fetched[sha256] = self.fetched.get(sha256, 0) + 1
        path = self.folder / sha256
        return FileResponse(path) if path.exists() else Response(status_code=404)
