"""What a runner knows of itself so far: its answer to /ready, from the first moment on."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent_runner.health import Dependency, Readiness, RefusedAgent
from agent_runner.runner import Runner
from agent_runner.sandbox.probe import Report
from agent_runner.settings import Settings
from agent_runner.stopping import Stop
from penstock.contracts.agent import AgentOffer


@dataclass
class Facts:
    """`runner` is there once the bus is."""

    settings: Settings
    stop: Stop
    report: Report
    offers: Sequence[AgentOffer]
    runner: Runner | None = None

    def readiness(self) -> Readiness:
        sandbox = Dependency("sandbox", self.report.holds, self.report.message())
        others: tuple[Dependency, ...] = (Dependency("nats", False, "not connected yet"),)
        if self.runner is not None:
            others = self.runner.dependencies()
        return Readiness(
            runner=self.settings.id,
            pool=self.settings.pool,
            tier=self.report.tier,
            slots=self.settings.slots,
            running=self.runner.worker.busy if self.runner is not None else 0,
            draining=self.stop.drain.is_set(),
            agents=sum(offer.error is None for offer in self.offers),
            refused=tuple(RefusedAgent(offer.name, offer.error) for offer in self.offers if offer.error),
            dependencies=(sandbox, *others),
        )
