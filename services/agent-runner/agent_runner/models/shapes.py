"""What an answer must look like to be one. A server that says 200 to anything else has not answered."""

from typing import Annotated, Any

import msgspec

from agent_runner.models.configured import Operation
from agent_runner.models.problems import ModelProblem
from agent_runner.models.requested import CHOICES_MAX

TOOL_CALLS_MAX = 256  # of one answer; their places come from the provider, and each one up to there is made

_Place = Annotated[int, msgspec.Meta(ge=0, lt=CHOICES_MAX)]
_ToolPlace = Annotated[int, msgspec.Meta(ge=0, lt=TOOL_CALLS_MAX)]


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    index: _ToolPlace | None = None
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct):
    """Or a piece of one."""

    tool_calls: list[_ToolCall] | None = None


class _Piece(msgspec.Struct):
    index: _Place | None = None
    delta: _Message | None = None
    text: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Piece] | None = None


class _Said(msgspec.Struct):
    message: dict[str, Any]


class _Written(msgspec.Struct):
    text: str


class _Chat(msgspec.Struct):
    choices: Annotated[list[_Said], msgspec.Meta(min_length=1)]


class _Completion(msgspec.Struct):
    choices: Annotated[list[_Written], msgspec.Meta(min_length=1)]


class _Embedding(msgspec.Struct):
    embedding: msgspec.Raw


class _Embeddings(msgspec.Struct):
    data: msgspec.Raw


_vectors = msgspec.json.Decoder(list[_Embedding])
_WHOLE: dict[Operation, type] = {
    Operation.CHAT: _Chat,
    Operation.COMPLETION: _Completion,
    Operation.EMBEDDINGS: _Embeddings,
}


def is_answer(document: dict[str, Any], operation: Operation) -> bool:
    if document.get("error"):  # some servers say 200 and mean an error; others add `"error": null` to answers
        return False
    try:
        whole: Any = msgspec.convert(document, _WHOLE[operation])
        return not isinstance(whole, _Embeddings) or bool(_vectors.decode(whole.data))
    except msgspec.MsgspecError:
        return False


def chunk_of(data: bytes) -> dict[str, Any]:
    """A piece of a streamed answer, or of an error. Raises ModelProblem."""
    try:
        chunk = msgspec.json.decode(data)
        msgspec.convert(chunk, _Chunk)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ModelProblem(
            502, f"the provider sent an event that is no piece of an answer: {error}"
        ) from error
    piece: dict[str, Any] = chunk
    return piece
