"""A runner's end of PENSTOCK_SOCKET, for tests of the client: HTTP/1.1 on a unix socket, in a thread."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "GatewayServer"

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._note()
        if self.path == "/checkpoint":
            saved = self.server.checkpoint
            self._answer(404, b"") if saved is None else self._answer(200, saved)
        elif self.path == "/secrets/TOKEN":
            self._answer(200, b'{"value": "s3cret"}')
        elif self.path.startswith("/secrets/"):
            self._answer(403, b'{"detail": "agent.yaml does not list it"}')
        else:
            stored = self.server.artifacts.get(self.path.removeprefix("/artifacts/"))
            self._answer(404, b'{"detail": "no such artifact"}') if stored is None else self._answer(
                200, stored
            )

    def do_PUT(self) -> None:
        body = self._note()
        if len(body) > 1000:
            self._answer(413, b'{"detail": "a checkpoint has at most 1,000 bytes"}')
        else:
            self.server.checkpoint = body
            self._answer(204, b"")

    def do_POST(self) -> None:
        body = self._note()
        if self.path == "/progress":
            self.server.progress.append(json.loads(body))
            self._answer(204, b"")
        elif self.path == "/v1/usage":
            self.server.usage.append(json.loads(body))
            self._answer(204, b"")
        elif self.path == "/v1/questions":
            self._answer_question(json.loads(body))
        else:
            name = self.path.partition("name=")[2]
            self.server.artifacts["f" * 64] = body
            self._answer(201, json.dumps({"uri": f"artifact://{'f' * 64}/{name}"}).encode())

    def _answer_question(self, asked: dict[str, object]) -> None:
        self.server.questions.append(asked)
        answer = self.server.answers.get(str(asked["key"]))
        parked = b'{"detail": "a person is asked"}'
        self._answer(423, parked) if answer is None else self._answer(200, json.dumps(answer).encode())

    def _note(self) -> bytes:
        self.server.keys.append(self.headers["Penstock-Attempt"])
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class GatewayServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up early, as one does that refuses an archive, is no error of the server's."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), _Handler)
        self.checkpoint: bytes | None = None
        self.progress: list[object] = []
        self.usage: list[object] = []
        self.questions: list[dict[str, object]] = []
        self.answers: dict[str, object] = {}
        self.artifacts: dict[str, bytes] = {}
        self.keys: list[str] = []


@contextmanager
def gateway(path: Path) -> Iterator[GatewayServer]:
    with GatewayServer(path) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
