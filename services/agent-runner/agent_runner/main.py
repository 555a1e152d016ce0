"""The composition root of the agent runner: chooses, connects, starts, and ends in good order."""

import asyncio
import os
import sys
from contextlib import AsyncExitStack

import structlog
from msgspec.structs import replace

from agent_runner.artifacts import ArtifactStore
from agent_runner.attempt_files import AttemptFiles
from agent_runner.attempt_spans import AttemptSpans
from agent_runner.attempts import Attempts
from agent_runner.catalogue import Catalogue, read_catalogue
from agent_runner.claims import Claims
from agent_runner.connecting import connected
from agent_runner.gateway.app import Gateway
from agent_runner.gateway.reports import Checkpoints, ProgressReports
from agent_runner.gateway.sockets import Sockets
from agent_runner.gateway.stores import StoreCalls
from agent_runner.granted_secrets import GrantedSecrets, UnsafeSecrets, read_secrets
from agent_runner.health import health_app
from agent_runner.held import HeldAttempts
from agent_runner.known import Facts
from agent_runner.lease import LeaseKeeper
from agent_runner.logs import Logs
from agent_runner.models import prices
from agent_runner.models.calls import ModelCalls
from agent_runner.models.configured import NO_MODELS, Models
from agent_runner.models.kept import KeptReplies
from agent_runner.models.ledger import Ledger
from agent_runner.models.providers import Providers
from agent_runner.models.reading import UnusableModels, read_models
from agent_runner.modes.all import Modes
from agent_runner.registry import Announcer
from agent_runner.results import ResultPublisher
from agent_runner.runner import Broken, Runner
from agent_runner.sandbox.absent import AbsentSandbox
from agent_runner.sandbox.port import Sandbox, Tier
from agent_runner.sandbox.probe import Report, probe
from agent_runner.sandbox.tiers import open_sandbox
from agent_runner.serving import Serving
from agent_runner.settings import Settings
from agent_runner.stopping import Stop
from agent_runner.trees import UnpackedTrees
from agent_runner.work_folder import UnusableFolder, WorkFolder, claimed
from agent_runner.worker import Worker
from penstock.bus.connection import Bus
from penstock.bus.publisher import Publisher
from penstock.bus.pull import PullLoop
from penstock.bus.replies import Replies
from penstock.contracts import subjects
from penstock.contracts.agent import AgentOffer
from penstock.service import (
    EXIT_WRONG_SETTING,
    read_settings,
    set_up_logging,
    tracing_of,
    warn_of_unknown_settings,
)
from penstock.telemetry import metrics
from penstock.telemetry.exporters import RUNNER
from penstock.telemetry.logs import LineSink
from penstock.telemetry.target import tell_target
from penstock.telemetry.tracing import OFF, Tracing

_UMASK = 0o022  # sandboxes have users of their own, and must be able to read what they are given
_EXIT_BROKEN = 1

log = structlog.get_logger(__name__)


def main() -> int:
    """Run until SIGTERM or SIGINT. Exits 0 after a drain, 2 when a setting is wrong, 1 when a part broke."""
    sink = set_up_logging("agent-runner")
    os.umask(_UMASK)
    settings = read_settings(Settings)
    warn_of_unknown_settings(Settings, dict(os.environ))
    try:
        # Not uvloop: its child processes inherit descriptors, which the attack on our own sandbox found.
        return asyncio.run(serve(settings, sink))
    except (UnusableFolder, UnsafeSecrets, UnusableModels) as error:
        print(f"{error}", file=sys.stderr)
        return EXIT_WRONG_SETTING
    except Broken as error:
        log.critical("runner.broken", reason=str(error), exc_info=error.__cause__)
        return _EXIT_BROKEN


async def serve(settings: Settings, sink: LineSink | None = None) -> int:
    """The whole life of a runner."""
    stop = Stop()
    stop.listen()
    tell_target(RUNNER, instance=settings.id)
    secrets = read_secrets(settings.secrets_file)
    models = read_models(settings.models_file, os.environ)
    catalogue = await asyncio.to_thread(read_catalogue, settings.agents)
    tracing = tracing_of("agent-runner", instance=settings.id)
    async with AsyncExitStack() as stack:
        stack.callback(tracing.close)
        work = stack.enter_context(claimed(settings.work_folder, runner=settings.id))
        facts = Facts(settings, stop, await probe(settings.sandbox), catalogue.offers())
        _tell(facts.report)
        await _serve_health(facts, stack)
        bus = await connected(settings, stop, stack)
        if bus is None:
            return 0
        metrics.BUS_UP.set_function(lambda: bus.is_connected)
        facts.runner = await compose(
            settings,
            bus=bus,
            report=facts.report,
            catalogue=catalogue,
            secrets=secrets,
            models=models,
            work=work,
            stack=stack,
            sink=sink,
            tracing=tracing,
        )
        log.info("runner.started", runner=settings.id, pool=settings.pool, slots=settings.slots)
        await facts.runner.run(stop, grace_s=settings.drain_grace_s)
    log.info("runner.stopped", runner=settings.id)
    return 0


async def compose(
    settings: Settings,
    *,
    bus: Bus,
    report: Report,
    catalogue: Catalogue,
    secrets: GrantedSecrets,
    work: WorkFolder,
    stack: AsyncExitStack,
    models: Models = NO_MODELS,
    sink: LineSink | None = None,
    tracing: Tracing = OFF,
) -> Runner:
    """Put the parts together; `stack` closes what was opened, the sandboxes first."""
    runner, pool = settings.id, settings.pool
    publisher = Publisher(bus)
    await publisher.start()
    held = HeldAttempts()
    artifacts = ArtifactStore(url=settings.orchestrator_url, cache=work.cache)
    stack.push_async_callback(artifacts.close)
    gateway = Gateway(
        attempts=held,
        checkpoints=Checkpoints(bus, pool=pool),
        progress=ProgressReports(bus, pool=pool),
        secrets=secrets,
        artifacts=artifacts,
        models=_model_calls(models, bus, pool, artifacts, tracing, stack),
        stores=StoreCalls(bus, pool=pool),
        tracing=tracing,
    )
    sockets = Sockets(Serving(gateway.app()), work.sockets)
    stack.callback(sockets.close)
    logs = Logs(publisher, sink)
    results = ResultPublisher(publisher, runner=runner, pool=pool, on_published=held.drop)
    attempts = Attempts(
        mode=await _modes(settings, report, work, stack),
        sockets=sockets,
        files=AttemptFiles(artifacts, scratch=work.scratch, trees=_trees(settings, work)),
        secrets=secrets,
        logs=logs,
        held=held,
        results=results,
        spans=AttemptSpans(tracing, runner=runner, pool=pool),
    )
    replies = Replies(bus)
    announcer = _announcer(settings, bus, report, catalogue)
    worker = Worker(
        pool=pool,
        slots=settings.slots,
        catalogue=catalogue,
        held=held,
        attempts=attempts,
        results=results,
        replies=replies,
    )
    claims = Claims(bus, runner=runner, pool=pool, on_answered=worker.on_answered)
    keeper = LeaseKeeper(bus, runner=runner, pool=pool, held=held, lose=attempts.lose)
    pull = _pull_loop(bus, pool, worker, announcer) if report.holds else None
    worker.connect(claims=claims, keeper=keeper, on_room=pull.wake if pull is not None else lambda: None)
    return Runner(
        bus=bus,
        worker=worker,
        attempts=attempts,
        held=held,
        claims=claims,
        keeper=keeper,
        results=results,
        logs=logs,
        replies=replies,
        announcer=announcer,
        pull=pull,
    )


def _model_calls(
    models: Models, bus: Bus, pool: str, artifacts: ArtifactStore, tracing: Tracing, stack: AsyncExitStack
) -> ModelCalls:
    providers, ledger = Providers(models), Ledger(bus, pool=pool)
    prices.read_known_ones(models)
    stack.push_async_callback(providers.close)
    stack.push_async_callback(ledger.close)
    return ModelCalls(
        models=models, providers=providers, ledger=ledger, replies=KeptReplies(artifacts), tracing=tracing
    )


async def _modes(settings: Settings, report: Report, work: WorkFolder, stack: AsyncExitStack) -> Modes:
    """The reuse modes in the tier that the settings name; none other, even if it does not hold."""
    sandbox: Sandbox
    try:
        sandbox = await open_sandbox(settings.sandbox, networks=map(str, settings.networks))
    except OSError:
        if report.holds:
            raise
        sandbox = AbsentSandbox(settings.sandbox, report.message())  # we stay to tell everybody why
    stack.push_async_callback(sandbox.close)
    modes = Modes(sandbox=sandbox, work_folder=work.sandboxes, slots=settings.slots)
    stack.push_async_callback(modes.close)
    return modes


def _trees(settings: Settings, work: WorkFolder) -> UnpackedTrees | None:
    """Only bubblewrap mounts an agent's input read-only; in the other tiers its files may have the agent's owner."""
    return UnpackedTrees(work.trees) if settings.sandbox is Tier.BWRAP else None


def _pull_loop(bus: Bus, pool: str, worker: Worker, announcer: Announcer) -> PullLoop:
    """A runner may not declare its consumer: the orchestrator does, when the runner announces itself."""
    return PullLoop(
        bus,
        stream=subjects.STREAM_NODES,
        consumer=subjects.ready_consumer(pool),
        credit=worker.credit,
        handle=worker.take,
        declare=announcer.announce,
    )


def _announcer(settings: Settings, bus: Bus, report: Report, catalogue: Catalogue) -> Announcer:
    """A runner whose sandbox does not hold offers every agent with the reason why it cannot run."""
    offers = catalogue.offers()
    if not report.holds:
        offers = tuple(_refused(offer, report) for offer in offers)
    return Announcer(
        bus,
        runner=settings.id,
        pool=settings.pool,
        slots=settings.slots if report.holds else 0,
        tier=report.tier,
        offers=offers,
    )


def _refused(offer: AgentOffer, report: Report) -> AgentOffer:
    return replace(offer, error=offer.error or report.message())


async def _serve_health(facts: Facts, stack: AsyncExitStack) -> None:
    settings = facts.settings
    if not settings.http_port:
        return
    served = await Serving(health_app(facts.readiness)).on_tcp(settings.http_host, settings.http_port)
    stack.callback(served.close)
    log.info("runner.health_served", host=settings.http_host, port=served.port)


def _tell(report: Report) -> None:
    metrics.RUNNER_SANDBOX.labels(report.tier).set(report.holds)
    if report.holds:
        log.info("sandbox.holds", tier=report.tier, checks=len(report.checks), **report.details)
        return
    log.error("sandbox.does_not_hold", tier=report.tier, reason=report.message())
    print(report.message(), file=sys.stderr)
