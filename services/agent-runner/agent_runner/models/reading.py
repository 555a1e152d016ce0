"""Reads the models file (YAML or JSON): providers and models, every problem at once.

providers:
  local: {url: http://127.0.0.1:8000/v1, kind: vllm}
models:
  default: {provider: local, model: qwen3-8b, max_output_tokens: 4000}
"""

import re
import stat
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from agent_runner.models.configured import (
    MAX_OUTPUT_TOKENS_DEFAULT,
    Key,
    Model,
    Models,
    Operation,
    Price,
    Provider,
)
from penstock.contracts.errors import InvalidInput
from penstock.contracts.workflow import Json
from penstock.definition.fields import Fields
from penstock.definition.parse import parse
from penstock.definition.report import Report

PROVIDER_KEYS = ("url", "kind", "key_file", "key_env", "timeout", "attempts")
MODEL_KEYS = ("provider", "model", "fallbacks", "price", "max_output_tokens", "operations")
PRICE_KEYS = ("input_per_million", "output_per_million")

TIMEOUT_DEFAULT = timedelta(minutes=2)  # until a provider says something, and between what it says
TIMEOUT_MIN, TIMEOUT_MAX = timedelta(milliseconds=100), timedelta(hours=1)
ATTEMPTS_DEFAULT, ATTEMPTS_MAX = 3, 10
OUTPUT_TOKENS_MAX = 10_000_000
DOLLARS_PER_MILLION_MAX = 1e6
KIND_DEFAULT = "openai-compatible"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,99}")  # as in agent.yaml
_NAME_EXPECTED = "a name of letters, digits and any of _.:/-"
_KEY = re.compile(r"[\x21-\x7e]+")  # what a header can carry


class UnusableModels(Exception):
    """The models file cannot be used; the message says what to change."""


def read_models(file: Path | None, environment: Mapping[str, str]) -> Models:
    """The file's models, none without a file, or UnusableModels."""
    if file is None:
        return Models()
    try:
        return models_of(file.read_bytes(), folder=file.parent, environment=environment)
    except OSError as error:
        raise UnusableModels(f"{file}: {error.strerror}") from None
    except InvalidInput as error:
        lines = [f"line {p.line}: {p.path}: {p.message}" if p.line else p.message for p in error.problems]
        raise UnusableModels("\n".join(f"{file}: {line}" for line in lines or [str(error)])) from None


def models_of(text: bytes, *, folder: Path, environment: Mapping[str, str]) -> Models:
    """Raises InvalidInput with all that is wrong."""
    document = parse(text)
    report = Report(document)
    report.extend(document.problems)
    models = _read(document.value, report, folder, environment)
    report.raise_if_wrong("the models file")
    return models


def _read(value: Json, report: Report, folder: Path, environment: Mapping[str, str]) -> Models:
    if not isinstance(value, dict):
        Fields({}, (), report).wrong_at((), "a mapping with `providers` and `models`", value)
        return Models()
    fields = Fields(value, (), report)
    fields.only(("providers", "models"))
    providers = {
        name: _read_provider(name, own, folder, environment)
        for name, own in _named(fields, "providers", "a mapping of names to providers").items()
    }
    own_of = _named(fields, "models", "a mapping of names to models")
    models = {name: _read_model(name, own, providers) for name, own in own_of.items()}
    for name, model in models.items():
        if model is not None:
            _check_fallbacks(own_of[name], model, models, known=tuple(own_of))
    return Models({name: model for name, model in models.items() if model is not None})


def _named(fields: Fields, key: str, expected: str) -> dict[str, Fields]:
    if not fields.require(key, expected):
        return {}
    outer = fields.mapping(key, fields.value[key], expected)
    found: dict[str, Fields] = {}
    for name, value in (outer.value if outer else {}).items():
        assert outer is not None
        if not _NAME.fullmatch(name):
            outer.report.error(outer.at(name), f"expected {_NAME_EXPECTED}, got '{name[:60]}'")
        own = outer.mapping(name, value, "a mapping")
        if own is not None:
            found[name] = own
    return found


def _read_provider(name: str, fields: Fields, folder: Path, environment: Mapping[str, str]) -> Provider:
    fields.only(PROVIDER_KEYS)
    timeout = fields.duration("timeout", TIMEOUT_DEFAULT, least=TIMEOUT_MIN, most=TIMEOUT_MAX)
    return Provider(
        name=name,
        url=_read_url(fields),
        key=_read_key(fields, folder, environment),
        kind=fields.text("kind", KIND_DEFAULT),
        timeout_s=timeout.total_seconds(),
        attempts=fields.integer("attempts", ATTEMPTS_DEFAULT, least=1, most=ATTEMPTS_MAX),
    )


def _read_url(fields: Fields) -> str:
    expected = "an address such as http://127.0.0.1:8000/v1"
    if not fields.require("url", expected):
        return ""
    url = fields.text("url")
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname)
        has_more = bool(parts.username or parts.password or parts.query or parts.fragment)
    except ValueError:
        is_good, has_more = False, False
    if has_more:  # it would be logged, and shown as server.address
        fields.report.error(fields.at("url"), "expected no user, password or query; a key goes to key_file")
    elif not is_good:
        fields.wrong("url", expected, url)
    return url.rstrip("/")


def _read_key(fields: Fields, folder: Path, environment: Mapping[str, str]) -> Key | None:
    """No message ever shows what was read."""
    if "key_file" in fields and "key_env" in fields:
        fields.report.error(fields.at("key_env"), "there is key_file too; give one of them")
        return None
    where, key = "key_file", ""
    if "key_file" in fields:
        key = _key_in_file(fields, folder / fields.text("key_file"))
    elif "key_env" in fields:
        where, name = "key_env", fields.text("key_env")
        key = environment.get(name, "")
        if not key:
            fields.report.error(fields.at(where), f"the runner's environment has no {name}")
    if key and not _KEY.fullmatch(key):
        fields.report.error(fields.at(where), "expected a key of one line without spaces")
        return None
    return Key(key) if key else None


def _key_in_file(fields: Fields, file: Path) -> str:
    try:
        if file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
            fields.report.error(
                fields.at("key_file"), f"everybody on this machine may read it; chmod 600 {file}"
            )
            return ""
        key = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        fields.report.error(fields.at("key_file"), f"{file} cannot be read: {reason}")
        return ""
    if not key:
        fields.report.error(fields.at("key_file"), f"{file} is empty")
    return key


def _read_model(name: str, fields: Fields, providers: Mapping[str, Provider]) -> Model | None:
    fields.only(MODEL_KEYS)
    provider = None
    if fields.require("provider", "the name of a provider"):
        named = fields.text("provider")
        provider = providers.get(named)
        if provider is None and isinstance(fields.value["provider"], str):
            fields.report.unknown(fields.at("provider"), "provider", named, tuple(providers))
    if fields.require("model", "the provider's name of the model") and not fields.text("model"):
        fields.wrong("model", "the provider's name of the model", fields.value["model"])
    model = Model(
        name=name,
        provider=provider or Provider("", "", None, "", 1.0, 1),
        model=fields.text("model"),
        operations=_read_operations(fields),
        max_output_tokens=fields.integer(
            "max_output_tokens", MAX_OUTPUT_TOKENS_DEFAULT, least=1, most=OUTPUT_TOKENS_MAX
        ),
        price=_read_price(fields),
        fallbacks=tuple(text for _, text in fields.texts("fallbacks", "a list of names of models")),
    )
    return model if provider is not None else None


def _read_operations(fields: Fields) -> tuple[Operation, ...]:
    choices = [str(operation) for operation in Operation]
    found: list[Operation] = []
    for path, text in fields.texts("operations", f"a list of {', '.join(choices)}"):
        if text in choices:
            found.append(Operation(text))
        else:
            fields.report.unknown(path, "operation", text, choices)
    return tuple(found) or tuple(Operation)


def _read_price(fields: Fields) -> Price | None:
    if "price" not in fields:
        return None
    own = fields.mapping("price", fields.value["price"], f"a mapping with {' and '.join(PRICE_KEYS)}")
    if own is None:
        return None
    own.only(PRICE_KEYS)
    dollars = []
    for key in PRICE_KEYS:
        # An embedding writes nothing, but a chat whose output has no price would look cheap.
        if key == "input_per_million" or fields.value.get("operations") != ["embeddings"]:
            own.require(key, "dollars for a million tokens")
        dollars.append(own.number(key, 0.0, least=0.0, most=DOLLARS_PER_MILLION_MAX))
    return Price(*dollars)


def _check_fallbacks(
    fields: Fields, model: Model, models: Mapping[str, Model | None], *, known: tuple[str, ...]
) -> None:
    for index, name in enumerate(model.fallbacks):
        path = (*fields.at("fallbacks"), index)
        if name == model.name:
            fields.report.error(path, "a model cannot stand in for itself")
        elif name not in known:
            fields.report.unknown(path, "model", name, known)
        elif (other := models[name]) and (missing := set(model.operations) - set(other.operations)):
            fields.report.error(
                path, f"'{name}' does not offer {', '.join(sorted(missing))}; say `operations`"
            )
