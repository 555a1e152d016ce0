"""The notifier's settings: `PENSTOCK_NOTIFIER_<NAME>`, read once in main."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "PENSTOCK_NOTIFIER_"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True)

    http_host: str = "127.0.0.1"
    http_port: int = Field(9003, ge=0, le=65535)
    database_url: str
    nats_url: str = "nats://127.0.0.1:4222"
    nats_user: str = "notifier"
    nats_password: str
    orchestrator_url: str = Field("http://127.0.0.1:9002", pattern=r"^https?://.+")
    # Private networks ("10.1.0.0/16,127.0.0.0/8") where targets of subscriptions may nevertheless be.
    networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    config_file: Path | None = None  # sources of alerts and subscriptions; docs/guides/notifier.md

    @field_validator("networks", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())
