"""Loads an agent's manifest (`agent.yaml`, design §7) with every problem at once."""

import re
from pathlib import Path

from penstock.contracts.agent import AgentManifest, Reuse, SandboxLimits
from penstock.contracts.errors import InvalidInput
from penstock.contracts.limits import GIB, KIB, MIB, OUTPUT_BYTES_MAX
from penstock.contracts.names import NAME_PATTERN
from penstock.contracts.workflow import Json
from penstock.definition.fields import NAME_EXPECTED, Fields
from penstock.definition.parse import parse
from penstock.definition.report import Report
from penstock.definition.schemas import schema_problems

FILE_NAME = "agent.yaml"
AGENT_KEYS = (
    "name",
    "version",
    "description",
    "command",
    "input",
    "output",
    "sandbox",
    "secrets",
    "models",
    "stores",
    "reuse",
    "concurrency",
)
SANDBOX_KEYS = ("network", "memory", "processes", "scratch", "output", "open_files")

MEMORY_BYTES_MIN, MEMORY_BYTES_MAX = 16 * MIB, 64 * GIB
SCRATCH_BYTES_MAX = 64 * GIB
PROCESSES_MAX = 4_096
OPEN_FILES_MIN, OPEN_FILES_MAX = 16, 65_536
CONCURRENCY_MAX = 256
ATTEMPTS_AT_ONCE_DEFAULT = 1

_HOST_AND_PORT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?:([0-9]{1,5})")
_SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,99}")
_STORE = re.compile(NAME_PATTERN)


def load_agent(folder: Path) -> AgentManifest:
    """The manifest in `folder`; raises InvalidInput with all that is wrong, or if there is none to read."""
    file = folder / FILE_NAME
    try:
        text = file.read_bytes()
    except OSError as error:
        raise InvalidInput.at(FILE_NAME, f"can't be read from {folder}: {error.strerror}") from error
    return read_agent(text, folder=folder)


def read_agent(text: str | bytes, *, folder: Path) -> AgentManifest:
    """The manifest that `text` is; raises InvalidInput with all that is wrong."""
    document = parse(text)
    report = Report(document)
    report.extend(document.problems)
    manifest = _read(document.value, report, folder)
    report.raise_if_wrong(f"agent '{manifest.name}'" if manifest.name else f"{folder.name}/{FILE_NAME}")
    return manifest


def _read(value: Json, report: Report, folder: Path) -> AgentManifest:
    if not isinstance(value, dict):
        Fields({}, (), report).wrong_at((), "a mapping with `name`, `version` and `command`", value)
        return AgentManifest(name="", version="", command=(), folder=str(folder))
    fields = Fields(value, (), report)
    fields.only(AGENT_KEYS)
    fields.require("name", NAME_EXPECTED)
    if fields.require("version", "text like 1.0.0") and value["version"] == "":
        fields.wrong("version", "text like 1.0.0", "")
    reuse = fields.choice("reuse", Reuse, Reuse.NEVER)
    if "concurrency" in fields and reuse is Reuse.NEVER:
        report.error(
            fields.at("concurrency"), "only an agent with `reuse: fork` or `process` serves several at once"
        )
    return AgentManifest(
        name=fields.name("name"),
        version=fields.text("version"),
        command=_read_command(fields),
        folder=str(folder),
        description=fields.text("description"),
        input=_read_schema(fields, "input"),
        output=_read_schema(fields, "output"),
        sandbox=_read_sandbox(fields),
        secrets=_read_names(fields, "secrets", _SECRET, "a secret's name: letters, digits, '_', '.' and '-'"),
        models=_read_names(fields, "models", _MODEL, "a model's name, such as default"),
        stores=_read_names(fields, "stores", _STORE, f"a store's name: {NAME_EXPECTED}"),
        reuse=reuse,
        concurrency=fields.integer("concurrency", ATTEMPTS_AT_ONCE_DEFAULT, least=1, most=CONCURRENCY_MAX),
    )


def _read_command(fields: Fields) -> tuple[str, ...]:
    expected = "a list of words like [python, -m, scanner]"
    if not fields.require("command", expected):
        return ()
    words = tuple(word for _, word in fields.texts("command", expected))
    if fields.value["command"] == [] or "" in words[:1]:
        fields.wrong("command", expected, fields.value["command"])
    if any("\0" in word for word in words):
        fields.report.error(fields.at("command"), "a word of a command holds no NUL")
    return words


def _read_schema(fields: Fields, key: str) -> Json:
    if key not in fields:
        return None
    schema = fields.value[key]
    for path, message in schema_problems(schema):
        fields.report.error((*fields.at(key), *path), message)
    return schema


def _read_names(fields: Fields, key: str, pattern: re.Pattern[str], expected: str) -> tuple[str, ...]:
    found: list[str] = []
    for path, name in fields.texts(key, f"a list of names of {key}"):
        found.append(name)
        if not pattern.fullmatch(name):
            fields.wrong_at(path, expected, name)
    return tuple(found)


def _read_sandbox(fields: Fields) -> SandboxLimits:
    default = SandboxLimits()
    if "sandbox" not in fields:
        return default
    own = fields.mapping("sandbox", fields.value["sandbox"], f"a mapping with {', '.join(SANDBOX_KEYS)}")
    if own is None:
        return default
    own.only(SANDBOX_KEYS)
    return SandboxLimits(
        network=_read_network(own),
        memory_bytes=own.size("memory", default.memory_bytes, least=MEMORY_BYTES_MIN, most=MEMORY_BYTES_MAX),
        processes=own.integer("processes", default.processes, least=1, most=PROCESSES_MAX),
        scratch_bytes=own.size("scratch", default.scratch_bytes, least=0, most=SCRATCH_BYTES_MAX),
        output_bytes=own.size("output", default.output_bytes, least=KIB, most=OUTPUT_BYTES_MAX),
        open_files=own.integer("open_files", default.open_files, least=OPEN_FILES_MIN, most=OPEN_FILES_MAX),
    )


def _read_network(fields: Fields) -> tuple[str, ...]:
    expected = "none, or a list of host:port"
    if fields.value.get("network", "none") == "none":
        return ()
    found: list[str] = []
    for path, text in fields.texts("network", expected):
        match = _HOST_AND_PORT.fullmatch(text)
        if match is None or not 0 < int(match[2]) < 65_536:
            fields.wrong_at(path, "host:port, like api.example.org:443", text)
        else:
            found.append(text.lower())
    return tuple(found)
