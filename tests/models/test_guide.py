"""docs/guides/models.md: its files are read, its programs run, its tables have the keys of the code."""

from pathlib import Path

import pytest

from agent_runner.models.reading import MODEL_KEYS, PROVIDER_KEYS, read_models
from tests.house.documents import ROOT, blocks, names, rows
from tests.model_answers import Call
from tests.model_server import ModelRequest, ModelServer

GUIDE = (ROOT / "docs/guides/models.md").read_text()


@pytest.mark.parametrize("text", blocks(GUIDE, "yaml"))
def test_every_models_file_is_good(tmp_path: Path, text: str) -> None:
    key = tmp_path / "hosted.key"
    key.write_text("sk-x")
    key.chmod(0o600)
    file = tmp_path / "models.yaml"
    file.write_text(text)

    assert "default" in read_models(file, {}).names()


def test_every_key_is_told() -> None:
    for heading, keys in (("key of a provider", PROVIDER_KEYS), ("key of a model", MODEL_KEYS)):
        assert {names(row[0])[0] for row in rows(GUIDE, heading)} == set(keys)


@pytest.mark.parametrize("program", blocks(GUIDE, "python"))
def test_every_program_runs(
    program: str,
    model_server: ModelServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", model_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", model_server.key)
    model_server.on(_answer)

    exec(program, {"__name__": "guide"})

    assert "It is done." in capsys.readouterr().out


def _answer(request: ModelRequest) -> object:
    if request.schema:
        return {"title": "A title"}
    return Call("search", {"words": "old"}) if request.tools and not request.messages[1:] else "It is done."
