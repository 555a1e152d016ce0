"""Finds an agent by what a manifest's command says: `scanner.py:scan`, `scanner.py`, `scanner.main:scan`."""

import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any

from penstock.agents.function import Agent


class NoAgent(Exception):
    """Nothing to run was found; the message says what was looked for and what there is."""


def load(target: str) -> Agent[..., Any]:
    """The agent that `target` names; the function may be left out where a file has one agent only."""
    where, _, name = target.partition(":")
    found = agents_of(_module(where))
    if name:
        if name in found:
            return found[name]
        raise NoAgent(f"{where} has no @agent named '{name}'{_there_is(found)}")
    if len(found) == 1:
        return next(iter(found.values()))
    raise NoAgent(f"{where} has {len(found)} agents; name one as {where}:function{_there_is(found)}")


def agents_of(module: ModuleType) -> dict[str, Agent[..., Any]]:
    """The agents that a module defines or imports, by name."""
    return {name: value for name, value in vars(module).items() if isinstance(value, Agent)}


def _there_is(found: dict[str, Agent[..., Any]]) -> str:
    return f"; there is {', '.join(sorted(found))}" if found else "; decorate a function with @agent"


def _module(where: str) -> ModuleType:
    """A file is imported under its own name, with its folder first on the path, as `python FILE` would."""
    if not where.endswith(".py"):
        sys.path.insert(0, os.getcwd())
        return importlib.import_module(where)
    if not os.path.isfile(where):
        raise NoAgent(f"{where}: no such file in {os.getcwd()}")
    folder, file = os.path.split(os.path.abspath(where))
    sys.path.insert(0, folder)
    name = file.removesuffix(".py")
    spec = importlib.util.spec_from_file_location(name, where)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and typing look a class's module up by name
    spec.loader.exec_module(module)
    return module
