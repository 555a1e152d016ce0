"""The agent's function, called as any other."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "agents" / "greeter"))

from agent import greet


def test_a_greeting_names_the_person() -> None:
    assert greet(" Ada ") == {"greeting": "Hello Ada"}
