"""The models file: what it means, and every problem of it at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent_runner.models.configured import Operation
from agent_runner.models.examined import examine_models
from agent_runner.models.prices import cost_of
from agent_runner.models.reading import UnusableModels, models_of, read_models
from agent_runner.models.took import Tokens
from tests.model_server import ModelServer

GOOD = """
providers:
  local: {url: http://127.0.0.1:8000/v1/, kind: vllm, timeout: 90s}
  hosted: {url: https://models.example.org/v1, key_env: MODEL_KEY, kind: openai}
models:
  default: {provider: local, model: qwen3-8b, fallbacks: [large], max_output_tokens: 1000}
  large: {provider: hosted, model: gpt-4o}
  embeddings: {provider: local, model: bge-m3, operations: [embeddings], price: {input_per_million: 0.5}}
"""
WRONG = """
providers:
  local: {url: localhost:8000, kees: x}
  keyed: {url: http://127.0.0.1/v1, key_file: missing.key}
  shown: {url: 'http://ada:pw@127.0.0.1/v1'}
models:
  default: {provider: locl, model: x, fallbacks: [lrge, default]}
  large: {provider: keyed, max_output_tokens: 0, operations: [chatt]}
  cheap: {provider: keyed, model: y, price: {input_per_million: 1}}
  vectors: {provider: keyed, model: z, operations: [embeddings]}
  odd: {provider: keyed, model: z, fallbacks: [vectors]}
"""


def _written(folder: Path, text: str) -> Path:
    file = folder / "models.yaml"
    file.write_text(text)
    return file


def test_a_good_file_is_read(tmp_path: Path) -> None:
    models = read_models(_written(tmp_path, GOOD), {"MODEL_KEY": "sk-secret"})

    default = models.get("default")
    assert default is not None
    assert (default.provider.url, default.provider.timeout_s) == ("http://127.0.0.1:8000/v1", 90.0)
    assert [model.name for model in models.chain(default)] == ["default", "large"]
    assert models.chain(default)[1].provider.key is not None
    embeddings = models.get("embeddings")
    assert embeddings is not None
    assert embeddings.operations == (Operation.EMBEDDINGS,)
    assert "sk-secret" not in repr(models.providers())


def test_without_a_file_there_are_no_models() -> None:
    assert read_models(None, {}).names() == ()


def test_every_problem_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(UnusableModels) as raised:
        read_models(_written(tmp_path, WRONG), {})

    told = str(raised.value)
    for part in (
        "line 3: providers.local.url: expected an address",
        "unknown key 'kees'",
        "line 4: providers.keyed.key_file:",
        "providers.shown.url: expected no user, password or query",
        "models.default.provider: no provider named 'locl'; did you mean 'local'?",
        "models.large: 'model' is missing",
        "models.large.max_output_tokens: expected a whole number",
        "no operation named 'chatt'; did you mean 'chat'?",
        "models.cheap.price: 'output_per_million' is missing",
        "models.odd.fallbacks[0]: 'vectors' does not offer chat, text_completion",
    ):
        assert part in told
    assert "ada:pw" not in told


def test_fall_backs_are_names_of_other_models(tmp_path: Path) -> None:
    with pytest.raises(UnusableModels) as raised:
        read_models(_written(tmp_path, GOOD.replace("[large]", "[lrge, default]")), {"MODEL_KEY": "k"})

    assert "models.default.fallbacks[0]: no model named 'lrge'; did you mean 'large'?" in str(raised.value)
    assert "models.default.fallbacks[1]: a model cannot stand in for itself" in str(raised.value)


@pytest.mark.parametrize(
    ("mode", "content", "reason"),
    [(0o644, "sk-secret", "chmod 600"), (0o600, "", "is empty"), (0o600, "sk secret", "a key of one line")],
)
def test_a_key_file_that_cannot_be_used_is_told_without_its_content(
    tmp_path: Path, mode: int, content: str, reason: str
) -> None:
    key = tmp_path / "model.key"
    key.write_text(content)
    key.chmod(mode)
    text = GOOD.replace("key_env: MODEL_KEY", "key_file: model.key")

    with pytest.raises(UnusableModels, match=reason) as raised:
        read_models(_written(tmp_path, text), {})

    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "- a list", "models: {}", "{"])
def test_what_is_no_models_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnusableModels, match=r"models\.yaml"):
        read_models(_written(tmp_path, text), {})


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnusableModels, match="No such file"):
        read_models(tmp_path / "none.yaml", {})


def test_prices_are_the_operators_or_a_known_providers_or_unknown(tmp_path: Path) -> None:
    models = read_models(_written(tmp_path, GOOD), {"MODEL_KEY": "k"})
    used = Tokens(1_000_000, 0)

    costs = {name: cost_of(model, used) for name in models.names() if (model := models.get(name))}

    assert costs == {"default": None, "large": pytest.approx(2.5), "embeddings": 0.5}


async def test_the_doctor_says_which_providers_answer(model_server: ModelServer, tmp_path: Path) -> None:
    more = "  lost: {provider: tests, model: nonesuch}\n  away: {provider: gone, model: x}\n"
    text = model_server.write_models(tmp_path, models=more).read_text()
    gone = "providers:\n  gone: {url: http://127.0.0.1:9/v1}\n  unkeyed: {url: '" + model_server.url + "'}\n"
    text = text.replace("providers:\n", gone) + "  stranger: {provider: unkeyed, model: x}\n"
    models = models_of(text.encode(), folder=tmp_path, environment={})

    found = {finding.name: finding for finding in await examine_models(models)}

    assert {name: finding.ok for name, finding in found.items()} == {
        "provider tests": False,
        "provider gone": False,
        "provider unkeyed": False,
    }
    assert "has no model 'nonesuch'" in found["provider tests"].detail
    assert "does not answer" in found["provider gone"].detail
    assert "refuses the key" in found["provider unkeyed"].detail


async def test_the_doctor_is_content_with_what_works(model_server: ModelServer, tmp_path: Path) -> None:
    (found,) = await examine_models(read_models(model_server.write_models(tmp_path), {}))

    assert found.ok
    assert "test-model-large, test-embedding" in found.detail


def test_known_prices_are_read_at_the_start_where_a_model_needs_them(tmp_path: Path) -> None:
    """In a process of its own: here they have been read already."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from agent_runner.models.prices import read_known_ones\n"
        "from agent_runner.models.reading import models_of\n"
        "for each in sys.argv[1:]:\n"
        "    read_known_ones(models_of(each.encode(), folder=Path(), environment={}))\n"
        "    print('genai_prices' in sys.modules)\n"
    )
    document = "providers: {a: {url: 'http://127.0.0.1:1'}}\nmodels: {b: {provider: a, model: c%s}}"
    priced = document % ", price: {input_per_million: 1, output_per_million: 1}"
    command = [sys.executable, "-c", program, priced, document % ""]

    told = subprocess.run(command, check=True, capture_output=True, text=True)

    assert told.stdout == "False\nTrue\n"
