"""What the documents name is there: files, functions, commands, settings, keys, numbers."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from pydantic_settings import BaseSettings
from typer.core import TyperGroup
from typer.main import get_command

from agent_runner.settings import Settings as RunnerSettings
from notifier.settings import Settings as NotifierSettings
from orchestrator.settings import Settings as OrchestratorSettings
from penstock.contracts.agent import SandboxLimits
from penstock.contracts.duration import parse_duration, parse_size
from penstock.contracts.failure import RETRYABLE, ErrorClass
from penstock.contracts.workflow import RETRY_PROFILES
from penstock.definition import check, read, read_protection, read_shape, read_triggers, read_waiting
from penstock.definition.agent import AGENT_KEYS, SANDBOX_KEYS
from penstock.definition.read import WORKFLOW_KEYS
from penstock.definition.read_node import NODE_KEYS
from penstock_cli.main import app
from tests.house.documents import PAGES, ROOT, anchors, blocks, links, names, prose, rows

RELEASE = (ROOT / "docs/guides/release-workflow.md").read_text()
WORKFLOWS = (ROOT / "docs/workflows.md").read_text()
RUNNING = (ROOT / "docs/running.md").read_text()
WRITE_AN_AGENT = (ROOT / "docs/guides/write-an-agent.md").read_text()
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in links(page.read_text()):
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there.read_text()), anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_exists(page: Path) -> None:
    text = page.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = "\n".join([*names(prose(text)), *blocks(text, "sh")])

    assert set(re.findall(r"^make ([a-z-]+)", code, re.MULTILINE)) <= targets
    for line in re.findall(r"(?:^|bin/)penstock ([a-z].*)", code, re.MULTILINE):
        _require_command(line.partition("#")[0].split())


def _require_command(words: list[str]) -> None:
    """That `penstock WORDS` names a command, and options that it has."""
    command = get_command(app)
    while isinstance(command, TyperGroup):
        assert words[0] in command.commands, words
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if re.match(r"--?[a-z]", word)} <= known, words


@pytest.mark.parametrize("name", re.findall(r"`([\w/-]+\.(?:py|md|sql)(?:: \w+)?)`", ARCHITECTURE))
def test_the_architecture_names_what_is_there(name: str) -> None:
    path, _, defined = name.partition(": ")
    found = [
        file
        for part in ("shared", "services", "docs", "tests")
        for file in (ROOT / part).rglob(Path(path).name)
    ]
    found = [file for file in found if str(file).endswith(f"/{path}")]

    assert found, path
    assert not defined or re.search(
        rf"^(?:async )?(?:def|class) {defined}\b", found[0].read_text(), re.MULTILINE
    )


def test_the_architecture_names_classes_and_methods_that_are_there() -> None:
    sources = "\n".join(
        file.read_text() for part in ("shared", "services") for file in (ROOT / part).rglob("*.py")
    )
    named = re.findall(r"`([A-Z][a-z]+[A-Za-z]*)(?:\.(\w+))?`", ARCHITECTURE)

    assert named
    for class_, method in named:
        assert re.search(rf"^class {class_}\b", sources, re.MULTILINE), class_
        assert not method or re.search(rf"^    (?:async )?def {method}\b", sources, re.MULTILINE), method


@pytest.mark.parametrize("workflow", blocks(WORKFLOWS, "yaml") + blocks(RELEASE, "yaml"))
def test_every_workflow_is_valid_without_a_warning(workflow: str) -> None:
    assert check(workflow) == []


def test_the_keys_of_the_definition_are_all_told() -> None:
    assert {key for row in rows(WORKFLOWS, "key") for key in names(row[0])} == set(WORKFLOW_KEYS)
    (_, _, of_nodes) = WORKFLOWS.partition("## Keys of a node")
    assert {key for row in rows(of_nodes, "key") for key in names(row[0])} == set(NODE_KEYS)


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("`repeat`", read_shape.REPEAT_KEYS),
        ("`cache`", read_shape.CACHE_KEYS),
        ("`approval`", read_waiting.APPROVAL_KEYS),
        ("`wait`", read_waiting.WAIT_KEYS),
        ("`event`", read_waiting.EVENT_WAIT_KEYS),
        ("`compensate`", read_protection.COMPENSATE_KEYS),
        ("`breaker`", read_protection.BREAKER_KEYS),
        ("`concurrency`", read.CONCURRENCY_KEYS),
        ("`schedule`", read_triggers.SCHEDULE_KEYS),
        ("an event trigger", read_triggers.EVENT_TRIGGER_KEYS),
        ("an alert trigger", read_triggers.ALERT_KEYS),
    ],
)
def test_the_keys_inside_the_keys_are_all_told(heading: str, keys: tuple[str, ...]) -> None:
    assert {names(row[0])[0] for row in rows(WORKFLOWS, f"key of {heading}")} == set(keys)


def test_the_retry_profiles_have_the_numbers_of_the_code() -> None:
    told = {names(row[0])[0]: row[1:] for row in rows(WORKFLOWS, "profile")}

    assert set(told) == set(RETRY_PROFILES)
    for name, (attempts, delay, delay_max, factor, jitter) in told.items():
        profile = RETRY_PROFILES[name]
        assert int(attempts) == profile.attempts
        assert (parse_duration(delay), parse_duration(delay_max)) == (profile.delay, profile.delay_max)
        assert (float(factor), float(jitter)) == (profile.factor, profile.jitter)


def test_the_error_classes_are_all_told_with_their_retry() -> None:
    told = {name: row[2] for row in rows(WORKFLOWS, "class") for name in names(row[0])}

    assert told == {str(each): "yes" if each in RETRYABLE else "no" for each in ErrorClass}


@pytest.mark.parametrize(
    ("settings", "prefix"),
    [
        (OrchestratorSettings, "PENSTOCK_ORCHESTRATOR_"),
        (RunnerSettings, "PENSTOCK_RUNNER_"),
        (NotifierSettings, "PENSTOCK_NOTIFIER_"),
    ],
)
def test_the_settings_have_the_defaults_of_the_code(settings: type[BaseSettings], prefix: str) -> None:
    told = {names(row[0])[0].lower(): row[1] for row in rows(RUNNING, f"`{prefix}…`")}

    assert settings.model_config.get("env_prefix") == prefix
    assert set(told) == set(settings.model_fields)
    for name, field in settings.model_fields.items():
        if field.is_required():
            assert told[name] == "required", name
        elif field.default in (None, ""):
            assert told[name] == ("none" if field.default is None else "empty"), name
        elif (
            field.default_factory is None and name != "work_folder"
        ):  # that one is below the temporary folder
            assert told[name] == f"`{field.default}`", name


def test_the_options_of_up_have_the_defaults_of_the_code() -> None:
    command = get_command(app)
    assert isinstance(command, TyperGroup)
    up = {parameter.opts[0]: parameter for parameter in command.commands["up"].params}
    told = {names(row[0])[0]: (names(row[1])[0], row[2]) for row in rows(RUNNING, "option")}

    assert set(told) == set(up) - {"--output", "--help"}
    for option, (variable, default) in told.items():
        if option != "--agents":  # read elsewhere, for it adds to the option
            assert up[option].envvar == variable
            assert default == ("none" if up[option].default is None else f"`{up[option].default}`")


def test_the_configuration_of_nats_is_one(tmp_path: Path) -> None:
    (program,) = blocks(RUNNING, "python")
    server = Path(sys.executable).parent / "nats-server"

    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    said = subprocess.run([server, "-t", "-c", "nats.conf"], cwd=tmp_path, capture_output=True, check=False)

    assert said.returncode == 0, said.stderr
    assert (tmp_path / "nats.conf").stat().st_mode & 0o077 == 0


def test_the_keys_of_a_manifest_are_all_told_with_their_defaults() -> None:
    keys = [name for row in rows(WRITE_AN_AGENT, "key") for name in names(row[0])]
    limits = {names(row[0])[0]: names(row[2])[0] for row in rows(WRITE_AN_AGENT, "key of `sandbox`")}
    told = SandboxLimits(
        memory_bytes=parse_size(limits["memory"]) or 0,
        processes=int(limits["processes"]),
        scratch_bytes=parse_size(limits["scratch"]) or 0,
        output_bytes=parse_size(limits["output"]) or 0,
        open_files=int(limits["open_files"]),
    )

    assert sorted(keys) == sorted(AGENT_KEYS)
    assert list(limits) == list(SANDBOX_KEYS)
    assert msgspec.structs.asdict(told) == msgspec.structs.asdict(SandboxLimits())


def test_the_pages_are_found() -> None:
    assert {"README.md", "ARCHITECTURE.md", "running.md", "workflows.md"} <= {page.name for page in PAGES}
    assert all(prose(page.read_text()).strip() for page in PAGES)
