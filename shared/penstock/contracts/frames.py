"""What travels on the pipe between a runner and a worker that serves attempt after attempt.

One JSON document a line. The runner writes `Order` and `Cancel`; the worker writes `Ready` once and then any
number of `Reply`. An order's id is the runner's own, counted from 1, unique in the life of the worker.
Described for authors in docs/guides/agent-protocol.md.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

HOST_VARIABLE = "PENSTOCK_HOST"  # in the worker's environment: "fork" or "process"
CONCURRENCY_VARIABLE = "PENSTOCK_CONCURRENCY"  # how many attempts the worker may be given at once
OUTPUT_LIMIT_VARIABLE = "PENSTOCK_OUTPUT_LIMIT"  # bytes of one output
TRACEPARENT = "TRACEPARENT"  # W3C; its name is known to tools that know nothing of us
MODEL_KEY = (
    "OPENAI_API_KEY"  # likewise: clients of models send it to the gateway, which knows the attempt by it
)
_NAMED_BY_OTHERS = frozenset({TRACEPARENT, MODEL_KEY})


def environment_of(variables: Mapping[str, str]) -> dict[str, str]:
    """An attempt's variables as its process finds them: `PENSTOCK_RUN` for `RUN`."""
    return {
        name if name in _NAMED_BY_OTHERS else f"PENSTOCK_{name}": value for name, value in variables.items()
    }


class Order(msgspec.Struct, frozen=True):
    """Run this. `env` holds the attempt's variables, named without `PENSTOCK_`; `input` stays unread."""

    id: int
    env: dict[str, str]
    input: msgspec.Raw


class Cancel(msgspec.Struct, frozen=True):
    """Stop this order; its reply is still expected."""

    cancel: int


class FromRunner(msgspec.Struct, frozen=True):
    """Either of both, as the worker reads it: `cancel` is 0 in an order."""

    id: int = 0
    env: dict[str, str] = {}
    input: Any = None
    cancel: int = 0


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """Exactly one of: `ready`; a `log` line of order `id`; the `output` or the `error` that ends order `id`.

    `cancels` goes with `ready`: the worker obeys Cancel. Without it, only the worker's end stops an order.
    """

    id: int = 0
    output: msgspec.Raw = msgspec.Raw()
    error: dict[str, Any] | None = None
    log: str | None = None
    ready: bool = False
    cancels: bool = False
    cpu_s: float | None = None
    memory_bytes: int | None = None
