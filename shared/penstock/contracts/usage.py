"""What an attempt used, as its runner measured it."""

from penstock.contracts.value import Value
from penstock.contracts.workflow import Json


class Usage(Value, frozen=True):
    """`tier` is how strong the sandbox was. None: not measured (a worker that serves many attempts at once)."""

    seconds: float = 0.0
    cpu_s: float | None = None
    memory_bytes: int | None = None
    tier: str | None = None

    def told(self) -> dict[str, Json]:
        """As the data of a fact: what is known."""
        known: dict[str, Json] = {"seconds": self.seconds}
        for name in ("cpu_s", "memory_bytes", "tier"):
            value = getattr(self, name)
            if value is not None:
                known[name] = value
        return known
