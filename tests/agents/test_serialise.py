"""What an agent returns becomes the same JSON everywhere, or an error that names the value in the way."""

import json
import os
import subprocess
import sys
from collections import OrderedDict, UserDict, deque, namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from uuid import UUID

import msgspec
import pydantic
import pytest

from penstock.agents.serialise import NotSerialisable, plain


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Word(StrEnum):
    YES = "yes"


@dataclass
class Point:
    x: int
    tags: set[str] = field(default_factory=set)


class Pair(NamedTuple):
    left: int
    right: Path


class Model(pydantic.BaseModel):
    when: datetime
    path: Path = Path("/out/a")
    shown: int = pydantic.Field(default=1, serialization_alias="displayed")


class Linked(pydantic.BaseModel):
    link: pydantic.HttpUrl


class Record(msgspec.Struct, rename="camel"):
    file_name: str
    size: Decimal


class Row:
    """As SQLAlchemy's: not a mapping, but it has one."""

    def __init__(self, **columns: object) -> None:
        self._mapping = columns


class Scalar:
    """As numpy's."""

    ndim = 0

    def item(self) -> float:
        return 2.5


class Array:
    ndim = 1

    def item(self) -> object:
        raise ValueError("can only convert an array of size 1")

    def tolist(self) -> list[int]:
        return [1, 2]


class Cursor:
    """As a query's result: an iterable of rows."""

    def __iter__(self) -> Iterator[Row]:
        yield Row(id=1, at=date(2026, 1, 2))
        yield Row(id=2, at=None)


Old = namedtuple("Old", "a b")
MOMENT = datetime(2026, 1, 31, 12, 0, 0, 500_000)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (2**64 - 1, 2**64 - 1),
        (1.5, 1.5),
        (float("nan"), None),
        (float("-inf"), None),
        ("grüezi", "grüezi"),
        ("bad\udcff name", "bad� name"),
        (MOMENT, "2026-01-31T12:00:00.500000"),
        (MOMENT.replace(tzinfo=UTC), "2026-01-31T12:00:00.500000Z"),
        (MOMENT.replace(tzinfo=timezone(timedelta(hours=2))), "2026-01-31T12:00:00.500000+02:00"),
        (date(2026, 1, 31), "2026-01-31"),
        (time(7, 5), "07:05:00"),
        (timedelta(days=1, hours=2, seconds=3.25), "P1DT2H3.25S"),
        (timedelta(0), "PT0S"),
        (-timedelta(minutes=90), "-PT1H30M"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.10"), "1.10"),
        (b"\x00\xff", "AP8="),
        (bytearray(b"a"), "YQ=="),
        (Path("/out/report.html"), "/out/report.html"),
        (PurePosixPath("a/b"), "a/b"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Word.YES, "yes"),
        ((1, "a"), [1, "a"]),
        (deque([1, 2]), [1, 2]),
        (range(3), [0, 1, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({"a", 1, None, (2,)}, ["a", 1, [2], None]),
        ({frozenset({2}), frozenset({1})}, [[1], [2]]),
        (Point(1, {"b", "a"}), {"x": 1, "tags": ["a", "b"]}),
        (Pair(1, Path("/in/x")), {"left": 1, "right": "/in/x"}),
        (Old(1, 2), {"a": 1, "b": 2}),
        (Model(when=MOMENT), {"when": "2026-01-31T12:00:00.500000", "path": "/out/a", "displayed": 1}),
        (Linked(link="https://example.org/a"), {"link": "https://example.org/a"}),
        (Record("a.py", Decimal("2")), {"fileName": "a.py", "size": "2"}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (UserDict({"a": Colour.RED}), {"a": "red"}),
        (Scalar(), 2.5),
        (Array(), [1, 2]),
        (Cursor(), [{"id": 1, "at": "2026-01-02"}, {"id": 2, "at": None}]),
        ((n * n for n in range(3)), [0, 1, 4]),
        ({1: "a", None: "b", False: "c"}, {"1": "a", "null": "b", "false": "c"}),
        ({2: "a", 1.5: "b"}, {"2": "a", "1.5": "b"}),
        (
            {date(2026, 1, 2): 1, Colour.RED: 2, UUID(int=0): 3},
            {"2026-01-02": 1, "red": 2, str(UUID(int=0)): 3},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_has_one_json_form(value: object, expected: object) -> None:
    written = plain(value)

    assert written == expected
    assert json.loads(json.dumps(written, allow_nan=False)) == expected


def test_keys_keep_the_authors_order() -> None:
    assert list(plain({"b": 1, "a": 2})) == ["b", "a"]  # type: ignore[call-overload]


def _cycle() -> object:
    value: list[object] = []
    value.append({"again": value})
    return value


def _deep() -> object:
    value: object = 1
    for _ in range(200):
        value = [value]
    return value


def _endless() -> Iterator[int]:
    while True:
        yield 1


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        ({"a": [1, {"b": object()}]}, "a[1].b", "builtins.object"),
        ({"a": _cycle()}, "a[0].again", "refers back"),
        (_deep(), "[0]" * 100, "deeper than 100"),
        ({"n": 2**64}, "n", "64 bit"),
        ({"k": {(1, 2): 3}}, "k", "(1, 2)"),
        ({"k": {1: 2, "1": 3}}, "k", "'1'"),
        ({"f": [print]}, "f[0]", "print"),
        ({"f": Point}, "f", "type"),
        (Point(x=object()), "x", "builtins.object"),  # type: ignore[arg-type]
        ({"g": _endless()}, "g", "1,000,000"),
    ],
)
def test_what_has_no_json_form_is_named_by_its_path(value: object, path: str, reason: str) -> None:
    with pytest.raises(NotSerialisable) as caught:
        plain(value)

    assert caught.value.path == path
    assert reason in str(caught.value)


def test_a_repr_that_fails_does_not_hide_the_value() -> None:
    class Nasty:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    with pytest.raises(NotSerialisable, match=r"a\.b: a Nasty"):
        plain({"a": {"b": Nasty()}})


def test_a_set_of_texts_has_the_same_order_in_every_process() -> None:
    program = (
        "import json; from penstock.agents.serialise import plain;"
        "print(json.dumps(plain({'a', 'b', 'c', 1, 2.5, ('x', 'y'), frozenset('pq')})))"
    )
    seeds = [str(seed) for seed in range(4)]

    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in seeds
    }

    assert len(outputs) == 1
