"""Answers of models as the orchestrator keeps them: small ones in the message, large ones as artifacts."""

from collections.abc import AsyncIterator

import msgspec
import structlog
from msgspec import UNSET

from agent_runner.artifacts import ArtifactStore
from agent_runner.models.problems import ModelProblem
from penstock.contracts.artifact import ArtifactReference, parse
from penstock.contracts.errors import PenstockError
from penstock.contracts.limits import KIB
from penstock.contracts.messages import StartNode
from penstock.contracts.model_messages import ModelReply

BODY_BYTES_MAX = 192 * KIB  # beyond, it is an artifact; contracts/model_messages.py
FILE_NAME = "model-reply.json"

log = structlog.get_logger(__name__)


class KeptReplies:
    """Puts answers away and gets them again."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    async def kept(self, reply: ModelReply, raw: bytes, *, order: StartNode) -> ModelReply | None:
        """The reply with its body; None when there is no place for it: then a retried attempt calls again."""
        if len(raw) <= BODY_BYTES_MAX:
            return msgspec.structs.replace(reply, body=msgspec.Raw(raw))
        try:
            stored = await self._artifacts.put_stream(
                _whole(raw), project=order.project, traceparent=order.traceparent
            )
        except PenstockError as error:
            log.warning("model.reply_not_kept", run=str(order.run), node=order.node, reason=str(error))
            return None
        uri = str(ArtifactReference(sha256=stored.sha256, name=FILE_NAME))
        return msgspec.structs.replace(reply, artifact=uri)

    async def body_of(self, reply: ModelReply | None, *, project: str) -> bytes:
        """Raises ModelProblem when it cannot be had now."""
        if reply is not None and reply.body is not UNSET:
            return bytes(reply.body)
        reference = parse(reply.artifact) if reply is not None and reply.artifact else None
        if reference is None:
            raise ModelProblem(502, "the orchestrator has kept no answer for a call that was answered")
        try:
            with await self._artifacts.fetch(reference.sha256, project=project) as content:
                return content.read()
        except PenstockError as error:
            raise ModelProblem(503, f"the answer of an earlier attempt cannot be fetched: {error}") from error


async def _whole(raw: bytes) -> AsyncIterator[bytes]:
    yield raw
