"""A client of the software on a fresh database; each test says what of the contracts it covers."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from client import BINDING, IN_MEMORY, Client  # noqa: E402
from contract import Covers, Operation  # noqa: E402


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    opened = Client(":memory:" if IN_MEMORY else str(tmp_path / "test.db"))
    yield opened
    opened.close()


@pytest.fixture
def covers(record_property: Callable[[str, object], None]) -> Covers:
    """Writes into the test report which operations a test covers."""
    record_property("covers", BINDING)

    def note(covered: Operation | str) -> None:
        record_property("covers", str(covered))

    return note
