"""An agent as a program: stdin JSON → the function → stdout JSON, whatever the function prints or raises."""

import json
import os
import sys
from collections.abc import Callable

from penstock.agents.errors import (
    EXIT_FAILED,
    EXIT_TRY_AGAIN,
    InvalidInput,
    LimitReached,
    Parked,
    TryAgain,
    document,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from penstock.agents.function import Agent

OUTPUT_BYTES_MAX = 256 * 1024  # without a runner that says otherwise; penstock.contracts.limits


def run(agent: "Agent[..., Any]") -> None:
    """Serve as the runner asks: once as a filter, or frame after frame (PENSTOCK_HOST). Does not return."""
    mode = os.environ.get("PENSTOCK_HOST")
    if mode:
        from penstock.agents.host import serve

        sys.exit(serve(agent, mode))
    _answer(lambda: _result(agent))


def take_stdout() -> int:
    """Keep the real stdout for the answer; from here on what anyone prints, at any level, goes to stderr."""
    answers = os.dup(1)
    os.dup2(2, 1)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
    return answers


def be_program(target: str) -> None:
    """As `run`, for an agent still to be loaded: a file that cannot be is a failure like any other."""

    def load_and_run() -> bytes:
        from penstock.agents.loading import load

        return _result(load(target))

    _answer(load_and_run)


def _answer(call: Callable[[], bytes]) -> None:
    """Write what `call` gives, or why it failed, and exit."""
    answers = take_stdout()
    answer, code = answered(call)
    write_all(answers, answer)
    os.close(answers)
    sys.exit(code)


def _result(agent: "Agent[..., Any]") -> bytes:
    arguments = agent.arguments.read(parsed(sys.stdin.buffer.read()))
    return encoded(finished(agent.function(**arguments)))


def answered(call: Callable[[], bytes]) -> tuple[bytes, int]:
    """What `call` gives and 0, or the error document and the exit code that it means."""
    try:
        return call(), 0
    except SystemExit as error:
        if error.code == EXIT_TRY_AGAIN:
            return failed(TryAgain("the agent exited with 75")), EXIT_TRY_AGAIN
        return failed(Exited(f"the agent called exit({error.code!r}) before it returned")), EXIT_FAILED
    except Parked as error:
        return json.dumps({"error": {"type": "Parked", "message": str(error)}}).encode(), EXIT_TRY_AGAIN
    except BaseException as error:
        return failed(error), EXIT_TRY_AGAIN if isinstance(error, TryAgain) else EXIT_FAILED


class Exited(Exception):
    """sys.exit() inside the function: there is no result to give."""


def failed(error: BaseException) -> bytes:
    return json.dumps({"error": document(error)}).encode()


def parsed(raw: bytes) -> object:
    """stdin as JSON; nothing at all is an input without fields."""
    if not raw.strip():
        return {}
    try:
        return json.loads(raw)
    except ValueError as error:
        raise InvalidInput([("", f"the input is no JSON: {error}")]) from error


def finished(result: object) -> object:
    """The result of a call, awaited or gathered if the function is asynchronous."""
    if hasattr(result, "__await__") or hasattr(result, "__aiter__"):
        import asyncio

        return asyncio.run(awaited(result))
    return result


async def awaited(result: "Any") -> object:
    if hasattr(result, "__aiter__"):
        return [each async for each in result]
    return await result


def encoded(result: object) -> bytes:
    """The result as JSON, within the limit; raises what names the value that is in the way."""
    from penstock.agents.serialise import plain

    return checked(json.dumps(plain(result), ensure_ascii=False, separators=(",", ":")).encode())


def checked(output: bytes) -> bytes:
    limit = int(os.environ.get("PENSTOCK_OUTPUT_LIMIT") or OUTPUT_BYTES_MAX)
    if len(output) > limit:
        raise LimitReached(
            f"the result has {len(output):,} bytes and the limit is {limit:,}: "
            "write it to a file below context.out_folder and return its path"
        )
    return output


def write_all(descriptor: int, data: "bytes | bytearray") -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
