"""The hot requests: claims and renewals, in lists."""

from nats.aio.msg import Msg

from orchestrator.bus.requests import Requests
from orchestrator.domain.decision import Outcome
from orchestrator.domain.events import AttemptClaimed
from orchestrator.engine.engine import RunEngine
from penstock.contracts import subjects
from penstock.contracts.messages import ClaimAnswer, ClaimRequest, RenewAnswer, RenewRequest
from penstock.contracts.wire import decode


class RpcDoor:
    """Grants attempts to runners and extends their leases."""

    def __init__(self, requests: Requests, engine: RunEngine) -> None:
        self._requests = requests
        self._engine = engine

    async def open(self) -> None:
        await self._requests.serve("claim", self._claim)
        await self._requests.serve("renew", self._renew)

    async def _claim(self, message: Msg) -> ClaimAnswer:
        request = decode(message.data, ClaimRequest)
        pool = subjects.pool_of_rpc(message.subject)
        answers = await self._engine.handle(
            [
                (
                    c.run,
                    AttemptClaimed(
                        c.node, c.attempt, c.token, request.runner, pool, agent_version=c.agent_version
                    ),
                )
                for c in request.claims
            ]
        )
        granted = tuple(answer in (Outcome.APPLIED, Outcome.REPEATED) for answer in answers)
        return ClaimAnswer(granted, self._engine.lease.total_seconds())

    async def _renew(self, message: Msg) -> RenewAnswer:
        request = decode(message.data, RenewRequest)
        renewed = await self._engine.renew(runner=request.runner, tokens=request.tokens)
        return RenewAnswer(renewed.held, renewed.cancel, self._engine.lease.total_seconds())
