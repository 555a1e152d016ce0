"""What an agent asks of a model, as it is read."""

import json

import msgspec
import pytest

from agent_runner.models.configured import Operation
from agent_runner.models.requested import asked_of, fields_of

TEXTS = json.dumps({"model": "embeddings", "input": ["Hello?", "Ä"], "user": "ada"}).encode()


def test_what_nobody_reads_is_left_as_it_was_written() -> None:
    """Vectors and tokens of some MB: reading them would keep everybody else in the runner waiting."""
    fields = fields_of(TEXTS, left="input")

    assert fields == {"model": "embeddings", "input": msgspec.Raw(b'["Hello?", "\\u00c4"]'), "user": "ada"}


def test_the_same_question_has_the_same_fingerprint_whatever_it_is_asked_for() -> None:
    same = json.dumps({"input": ["Hello?", "Ä"], "model": "embeddings", "user": "bob"}).encode()
    other = json.dumps({"input": ["Hello!", "Ä"], "model": "embeddings"}).encode()

    prints = [asked_of(Operation.EMBEDDINGS, each).fingerprint for each in (TEXTS, same, other)]

    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize("operation", [Operation.CHAT, Operation.EMBEDDINGS])
def test_vectors_are_no_stream(operation: Operation) -> None:
    body = json.dumps({"model": "default", "input": "x", "stream": True}).encode()

    assert asked_of(operation, body).is_stream == (operation is Operation.CHAT)
