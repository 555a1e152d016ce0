"""The agent runner's settings: `PENSTOCK_RUNNER_<NAME>`, read once in main."""

import os
import secrets
import socket
import tempfile
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveFloat, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from agent_runner.sandbox.port import Tier
from penstock.contracts.names import NAME_PATTERN, POOL_DEFAULT

SLOTS_MAX = 1_000  # each is a uid, a sandbox and a lease; more belong on a second machine
_ID_PATTERN = r"[A-Za-z0-9_-]{1,100}"  # it is a token of a subject and the name of a folder


def default_id() -> str:
    """`<host>-<pid>-<random>`: two runners never share one, a restarted one has another."""
    host = "".join(c if c.isascii() and c.isalnum() else "-" for c in socket.gethostname())[:60]
    return f"{host or 'runner'}-{os.getpid()}-{secrets.token_hex(3)}"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="PENSTOCK_RUNNER_", env_ignore_empty=True)

    id: str = Field(default_factory=default_id, pattern=f"^{_ID_PATTERN}$")
    pool: str = Field(POOL_DEFAULT, pattern=f"^{NAME_PATTERN}$")
    slots: int = Field(4, ge=1, le=SLOTS_MAX)
    agents: Annotated[tuple[Path, ...], NoDecode]
    nats_url: str = "nats://127.0.0.1:4222"
    nats_user: str = "runner"
    nats_password: str = ""
    orchestrator_url: str = Field("http://127.0.0.1:9002", pattern=r"^https?://.+")
    sandbox: Tier = Tier.BWRAP
    # Private networks ("10.1.0.0/16,127.0.0.0/8") that an agent's `sandbox.network` may nevertheless lead to.
    networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    work_folder: Path = Path(tempfile.gettempdir()) / f"penstock-runner-{os.geteuid()}"
    secrets_file: Path | None = None
    models_file: Path | None = None
    drain_grace_s: PositiveFloat = 30.0
    http_host: str = "127.0.0.1"
    http_port: int = Field(0, ge=0, le=65_535)  # 0: no health and metrics

    @field_validator("agents", mode="before")
    @classmethod
    def _folders(cls, value: object) -> object:
        """Folders separated by colons, as on PATH."""
        if not isinstance(value, str):
            return value
        return tuple(Path(part).absolute() for part in value.split(":") if part)

    @field_validator("networks", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("agents")
    @classmethod
    def _exist(cls, folders: tuple[Path, ...]) -> tuple[Path, ...]:
        missing = [str(folder) for folder in folders if not folder.is_dir()]
        if missing or not folders:
            raise ValueError(
                f"expected folders with agents; not a folder: {', '.join(missing) or 'nothing given'}"
            )
        return folders

    @field_validator("work_folder")
    @classmethod
    def _absolute(cls, folder: Path) -> Path:
        return folder.absolute()
