"""Celery's canvas and the workflow beside it give the same."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.e2e.conftest import Api
from tests.guides.conftest import save
from tests.guides.files import write_files

NAMES = ["ode", "pond"]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return write_files("move-from-celery.md", tmp_path)


@pytest.fixture
def tasks(files: dict[str, Path]) -> ModuleType:
    """Celery's side: its own code, each task called where it is asked for."""
    spec = importlib.util.spec_from_file_location("tasks_of_the_guide", files["celery/tasks.py"])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.app.conf.update(task_always_eager=True, task_eager_propagates=True)
    return module


async def run(api: Api, file: Path, run_input: Any) -> Any:
    ended = await api.ended(await api.start(await save(api, file), run_input))
    assert ended["state"] == "succeeded", ended["failure"]
    return ended["output"]


@pytest.mark.sandbox
async def test_chain(guided: Api, files: dict[str, Path], tasks: ModuleType) -> None:
    ours = await run(guided, files["celery/words-of.yaml"], {"name": "ode"})

    assert ours == tasks.words_of("ode").apply().get() == 9


@pytest.mark.sandbox
async def test_group_and_chord(guided: Api, files: dict[str, Path], tasks: ModuleType) -> None:
    await save(guided, files["celery/words-of.yaml"])
    ours = await run(guided, files["celery/words-of-all.yaml"], {"names": NAMES})

    each = tasks.words_of_each(NAMES).apply().get()
    assert ours == {"each": each, "total": tasks.words_of_all(NAMES).apply().get()}
    assert ours == {"each": [9, 4], "total": 13}


@pytest.mark.sandbox
async def test_retries(guided: Api, files: dict[str, Path], tasks: ModuleType) -> None:
    ours = await run(guided, files["celery/shaky-word.yaml"], {})

    tasks.app.conf.task_eager_propagates = False  # else the first failure is the caller's
    assert ours == tasks.shaky.s("hello").apply().get() == "hello"


@pytest.mark.sandbox
async def test_countdown(guided: Api, files: dict[str, Path], tasks: ModuleType) -> None:
    ours = await run(guided, files["celery/later.yaml"], {})

    assert ours == tasks.read.s("pond").apply(countdown=0.1).get()
