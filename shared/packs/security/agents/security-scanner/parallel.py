"""Works on a list in several processes at once: what is done in Python alone leaves the other processors idle."""

import json
import os
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")
Json = Any

PROCESSES_MAX = 8  # each has the tools and its part of the tree in memory


def in_parts(work: Callable[[list[T]], Json], items: Sequence[T]) -> list[Json]:
    """What `work` makes of each part of `items`, as JSON, one part for each processor. Raises when a part fails."""
    count = max(1, min(len(os.sched_getaffinity(0)), PROCESSES_MAX, len(items)))
    parts = [list(items[start::count]) for start in range(count)]
    children = [_begun(work, part) for part in parts[1:]]
    return [work(parts[0]), *(_result(*child) for child in children)]


def _begun(work: Callable[[list[T]], Json], part: list[T]) -> tuple[int, int]:
    """A forked child at work on `part`: its process, and the pipe that its result comes through."""
    ours, theirs = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(ours)
        _be_the_child(work, part, theirs)
    os.close(theirs)
    return process, ours


def _be_the_child(work: Callable[[list[T]], Json], part: list[T], pipe: int) -> NoReturn:
    code = 1
    try:
        answer = json.dumps(work(part)).encode()
        with os.fdopen(pipe, "wb") as stream:
            stream.write(answer)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _result(process: int, pipe: int) -> Json:
    with os.fdopen(pipe, "rb") as stream:
        answer = stream.read()
    _, status = os.waitpid(process, 0)
    if status:
        raise RuntimeError(
            f"a part of the work ended with {os.waitstatus_to_exitcode(status)}; the log says why"
        )
    return json.loads(answer)
