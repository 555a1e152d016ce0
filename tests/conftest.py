"""Fixtures for all tests."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["tests.servers", "tests.model_server"]

MACHINE = Path(tempfile.gettempdir()) / f"penstock-tests-{os.getuid()}.lock"


@pytest.fixture(autouse=True)
def machine(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests run in several processes at once; one that is marked `alone` waits until no other runs."""
    alone = request.node.get_closest_marker("alone") is not None
    with MACHINE.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
