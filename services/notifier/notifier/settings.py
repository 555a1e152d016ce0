"""The notifier's settings: `PENSTOCK_NOTIFIER_<NAME>`, read once in main."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

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
    config_file: Path | None = None  # sources of alerts and subscriptions; docs/guides/notifier.md
