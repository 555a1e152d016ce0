"""The orchestrator's settings: `PENSTOCK_ORCHESTRATOR_<NAME>`, read once in main."""

from pathlib import Path

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "PENSTOCK_ORCHESTRATOR_"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX)

    http_host: str = "127.0.0.1"
    http_port: int = Field(9002, ge=0, le=65535)
    database_url: str
    nats_url: str = "nats://127.0.0.1:4222"
    nats_user: str = "orchestrator"
    nats_password: str
    artifacts_folder: Path
    lease_s: PositiveFloat = 30.0  # design §8: renewed at a third of it
    starts_per_second: PositiveInt | None = None  # of each project without a limit of its own
    sweep_every_s: PositiveFloat = 1.0
    gauges_every_s: PositiveFloat = 10.0
    minute_price_dollars: NonNegativeFloat = 0.0  # of an agent's time; 0: nobody knows, and none is counted
    day_budget_dollars: NonNegativeFloat = 0.0  # of each project; 0: none
    retention_days: PositiveFloat = 30.0  # of projects that have set nothing; counted from a run's end
