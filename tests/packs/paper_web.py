"""A small web with a git host, on this machine's loopback: what the links of papers in tests lead to."""

import http.server
import os
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit


@dataclass
class Web:
    """`asked` counts requests by method and path; `busy` paths answer 429 that many times first."""

    address: str
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    busy: Counter[str] = field(default_factory=Counter)
    on_git: Callable[[], None] = field(default=lambda: None)  # called at each request to git

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def times(self, path: str) -> int:
        return sum(number for (_, asked), number in self.asked.items() if asked == path)


@contextmanager
def serving(repositories: Path) -> Iterator[Web]:
    """`repositories` holds bare ones, served below /git/ as git's own server does, and below /dumb/ as files."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._serve()

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            path = urlsplit(self.path).path
            web.asked[(self.command, path)] += 1
            if path.startswith("/git/"):
                web.on_git()
                return self._git()
            if path.startswith("/dumb/"):
                return self._file(repositories / path.removeprefix("/dumb/"))
            status, headers = self._plain(path)
            return self._say(status, headers, b"" if self.command == "HEAD" else b"a page")

        def _plain(self, path: str) -> tuple[int, dict[str, str]]:
            if web.busy[path] > 0:
                web.busy[path] -= 1
                return 429, {"Retry-After": "0"}
            if path == "/no-head" and self.command == "HEAD":
                return 405, {}
            moved = {"/moved": "/ok", "/loop": "/loop", "/away": "http://elsewhere.invalid/page"}
            if path in moved:
                return 302, {"Location": moved[path]}
            known = {"/gone": 404, "/private": 403, "/error": 500, "/busy-for-ever": 429}
            headers = {"Retry-After": "3600"} if path == "/busy-for-ever" else {}
            return (
                known.get(
                    path, 200 if path in ("/ok", "/no-head", "/busy", "/a-long/way/to-a.html") else 404
                ),
                headers,
            )

        def _file(self, file: Path) -> None:
            self._say(200, {}, file.read_bytes()) if file.is_file() else self._say(404, {}, b"")

        def _git(self) -> None:
            parts = urlsplit(self.path)
            environment = {
                **os.environ,
                "GIT_PROJECT_ROOT": str(repositories),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": parts.path.removeprefix("/git"),
                "QUERY_STRING": parts.query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("content-type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
                "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
            }
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            words = ["git", "-c", "safe.directory=*", "http-backend"]
            done = subprocess.run(words, input=body, capture_output=True, env=environment, check=False)
            head, _, answer = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
            self._say(int(headers.pop("Status", "200").split()[0]), headers, answer)

        def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web = Web(f"127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield web
    server.shutdown()
    server.server_close()


def make_repository(folder: Path, name: str, source: Path) -> str:
    """A bare repository with the files of `source` in its second commit; that commit."""
    work = folder / f"{name}.work"
    work.mkdir(parents=True)
    (work / "old.txt").write_text("of the first commit")
    _git(work, "init", "--quiet", "--initial-branch=main")
    _git(work, "add", ".")
    _git(work, "commit", "--quiet", "--message=first")
    (work / "old.txt").unlink()
    _git(work, "--work-tree", str(source), "add", "--all")
    _git(work, "commit", "--quiet", "--message=second")
    _git(folder, "clone", "--quiet", "--bare", str(work), f"{name}.git")
    _git(folder / f"{name}.git", "update-server-info")
    return _git(work, "rev-parse", "HEAD").strip()


def _git(folder: Path, *words: str) -> str:
    person = ("-c", "user.name=A. Author", "-c", "user.email=author@example.org")
    done = subprocess.run(
        ["git", "-C", str(folder), *person, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
