"""The agent's side of the runner's socket: HTTP/1.1 over a unix socket, so that curl and any language can.

| request | answer |
|---|---|
| GET /checkpoint | 200 with the JSON, 404 when nothing was saved |
| PUT /checkpoint | JSON up to 256 KiB; 204 |
| POST /progress | {"done", "total", "message"}; 204 |
| POST /v1/usage | {"model", "tokens_in", "tokens_out", "cost_dollars"?, "calls"?}; 204 |
| POST /v1/questions | {"key", "message", "details"?, "form"?, "assignees"?, "no_self_approval"?}; 200 with the
answer, or 423: the attempt ends |
| POST /v1/chat/completions, /v1/embeddings … | as OpenAI's API has them; penstock.agents.llm |
| GET /secrets/{name} | {"value"}, or 403 with the reason |
| POST /artifacts?name= | the raw bytes; {"uri"} |
| GET /artifacts/{sha256} | the raw bytes |
| GET /store/{store}/{table}/{key} | {"key", "value", "version"}, 404 when there is no such row |
| POST /store/{store}/query | {"rows", "next"} |
| POST /store/{store}/write | {"versions"}; 412 when rows are not as the write expects them |
| POST /store/{store}/undo | {"restored", "deleted", "undone_before"}; 412 when others have written since |

Every request carries `Penstock-Attempt`: one socket may serve several attempts.
"""

import contextlib
import http.client
import json as json_module
import os
import shutil
import socket
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from penstock.agents.attempt import NotOffered, variable
from penstock.agents.errors import (
    AgentError,
    ConnectionLost,
    LimitReached,
    NetworkFailed,
    NotAllowed,
    Parked,
)

TIMEOUT_SECONDS = 60.0  # the runner is on the same machine; an artifact may have to come from afar
PARKED_STATUS = 423
_PIECE_BYTES = 256 * 1024

Errors = Mapping[int, type[AgentError]]
"""What a status means, where it means something of its own."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, *, timeout_s: float) -> None:
        super().__init__("penstock", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def quoted(name: str) -> str:
    return quote(name, safe="")


def call(
    method: str, path: str, *, json: object = None, missing_ok: bool = False, errors: Errors | None = None
) -> bytes | None:
    """The body of a good answer; None for a 404 where that is an answer. Anything else raises."""
    body = None if method == "GET" else json_module.dumps(json, allow_nan=False).encode()
    with _answer(method, path, body, {"Content-Type": "application/json"}) as response:
        if response.status == 404 and missing_ok:
            return None
        return _good(response, what=f"{method} {path}", errors=errors).read()


def exchange(method: str, path: str, body: bytes | None, *, timeout_s: float) -> tuple[int, bytes]:
    """Status and body of an answer, whatever it is."""
    with _answer(method, path, body, {"Content-Type": "application/json"}, timeout_s=timeout_s) as response:
        return response.status, response.read()


def json_of(body: bytes | None, key: str | None = None) -> Any:
    value = json_module.loads(body or b"null")
    return value if key is None else value[key]


def put_file(path: str) -> str:
    if os.path.isdir(path):
        raise ValueError(f"{path} is a folder: write it below context.out_folder and return its path")
    name = os.path.basename(path)
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(os.path.getsize(path))}
    with (
        open(path, "rb") as file,
        _answer("POST", f"/artifacts?name={quoted(name)}", file, headers) as response,
    ):
        return str(json_of(_good(response, what=f"storing {name}").read(), key="uri"))


def get_file(uri: str) -> Path:
    scheme, _, rest = uri.partition("://")
    sha256, _, name = rest.partition("/")
    is_folder, name = name.endswith("/"), name.rstrip("/")
    if scheme != "artifact" or not sha256.isalnum() or not name or "/" in name or name in (".", ".."):
        raise ValueError(f"{uri!r} is no artifact; expected artifact://<sha256>/<name>")
    target = Path(tempfile.mkdtemp(prefix="artifact-")) / name
    with _answer("GET", f"/artifacts/{sha256}", None, {}) as response:
        _good(response, what=f"fetching {uri}")
        if is_folder:
            _unpack(response, target)
        else:
            with target.open("wb") as file:
                shutil.copyfileobj(response, file, _PIECE_BYTES)
    return target


def _unpack(source: IO[bytes], target: Path) -> None:
    with tarfile.open(fileobj=source, mode="r|*") as archive:
        archive.extractall(target, filter="data")


@contextlib.contextmanager
def _answer(
    method: str,
    path: str,
    body: bytes | IO[bytes] | None,
    headers: dict[str, str],
    *,
    timeout_s: float = TIMEOUT_SECONDS,
) -> Iterator[http.client.HTTPResponse]:
    address = variable("SOCKET")
    if not address:
        raise NotOffered(f"{method} {path}: there is no PENSTOCK_SOCKET; this works inside a run only")
    connection = _UnixConnection(address, timeout_s=timeout_s)
    with contextlib.closing(connection):
        try:
            connection.request(method, path, body, {**headers, "Penstock-Attempt": variable("ATTEMPT_KEY")})
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            raise ConnectionLost(f"{method} {path}: the runner's socket: {reason}") from error
        yield response


def _good(
    response: http.client.HTTPResponse, *, what: str, errors: Errors | None = None
) -> http.client.HTTPResponse:
    """The response if it is good; else the error that its status means, with the runner's reason."""
    if response.status < 300:
        return response
    reason = _reason(response.read(16 * 1024)) or response.reason
    if response.status == PARKED_STATUS:
        raise Parked(reason)
    known: dict[int, type[AgentError]] = {403: NotAllowed, 413: LimitReached, 404: NotOffered}
    kind = (known | dict(errors or {})).get(response.status)
    if kind is None:
        kind = NetworkFailed if response.status >= 500 else NotOffered
    raise kind(f"{what}: {reason}")


def _reason(body: bytes) -> str:
    """The `detail` of a problem document, or the text itself."""
    try:
        document = json_module.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace").strip()
    if isinstance(document, dict):
        return str(document.get("detail") or document.get("error") or document.get("title") or document)
    return str(document)
