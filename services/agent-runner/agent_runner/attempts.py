"""One attempt, from a granted claim to its result: prepare, run, judge the output, report.

Most attempts are small: no folder, no thread and no second task is spent on one without artifacts.
"""

import asyncio
import traceback
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
import structlog

from agent_runner.attempt_files import AttemptFiles
from agent_runner.attempt_spans import AttemptSpans
from agent_runner.clocks import lease_clock
from agent_runner.failures import AttemptError, described, invalid, redacted, too_large
from agent_runner.gateway.sockets import Sockets
from agent_runner.granted_secrets import GrantedSecrets
from agent_runner.held import Held, HeldAttempts
from agent_runner.logs import Logs
from agent_runner.modes.port import Attempt, Ended, Folders, Mode
from agent_runner.results import ResultPublisher
from penstock.contracts.failure import ErrorClass, Failure
from penstock.contracts.limits import OUTPUT_BYTES_MAX
from penstock.contracts.messages import Result
from penstock.contracts.workflow import Json
from penstock.telemetry import metrics
from penstock.telemetry.log_fields import about_attempt

_ARTIFACT = b"artifact:"  # without slashes: some writers escape them
_ESCAPED_SLASH = b"\\/"
STOPPED = Failure(
    type="RunnerStopped",
    message="the runner was told to stop, and the attempt did not end within its grace period",
    error_class=ErrorClass.TEMPORARY,
    retryable=True,
)
_CANCELLED = Failure(type="Cancelled", message="cancelled before the agent was started", retryable=False)

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Attempts:
    """Runs attempts through their mode, and reports each exactly once, or not at all if its lease is gone."""

    def __init__(
        self,
        *,
        mode: Mode,
        sockets: Sockets,
        files: AttemptFiles,
        secrets: GrantedSecrets,
        logs: Logs,
        held: HeldAttempts,
        results: ResultPublisher,
        spans: AttemptSpans,
    ) -> None:
        self._mode, self._sockets, self._files, self._secrets = mode, sockets, files, secrets
        self._logs, self._held, self._results = logs, held, results
        self._spans = spans

    async def run(self, held: Held) -> None:
        """To the end. Cancelling the call kills the attempt and reports nothing."""
        with self._spans.of(held) as span:
            try:
                ended = await self._run(held)
            except AttemptError as error:
                ended = Ended(failure=error.failure)
            except Exception as error:
                log.exception("attempt.broke", **about_attempt(held.order))
                ended = Ended(failure=_unexpected(error))
            span.ended = ended = _unless_parked(held, ended)
            self._report(held, ended)

    def lose(self, held: Held) -> None:
        """Its lease is gone: kill it, forget it."""
        self._held.drop(held.token)
        if held.task is not None:
            held.task.cancel()

    def abandon(self, held: Held) -> None:
        """Kill it because the runner stops now, and say so."""
        stopped = Ended(failure=STOPPED) if held.began else Ended(released=True)
        self._report(held, _unless_parked(held, stopped))
        if held.task is not None:
            held.task.cancel()

    async def _run(self, held: Held) -> Ended:
        order, agent = held.order, held.agent
        folders = self._mode.folders(
            manifest=agent.manifest, project=order.project, attempt_key=held.attempt_key
        )
        try:
            prepared = await self._prepare(held, folders)
            ended = await self._run_agent(held, folders, prepared)
            if ended.output is None or held.parking is not None:
                return ended
            output = await self._judge(held, folders, ended.output)
            return msgspec.structs.replace(ended, output=output) if output is not ended.output else ended
        finally:
            await self._files.clean(folders)

    async def _prepare(self, held: Held, folders: Folders) -> bytes:
        """The agent's input: checked against its schema, on one line, with paths for artifacts."""
        raw = bytes(held.order.input)
        wrong = held.agent.wrong_input
        has_artifacts = _ARTIFACT in raw
        if wrong is None and not has_artifacts and b"\n" not in raw:
            return raw
        value = msgspec.json.decode(raw)
        if wrong is not None and (problems := wrong(value)):
            raise AttemptError(
                invalid("InvalidInput", f"the input does not match the agent's schema: {problems}")
            )
        if has_artifacts:
            work = self._files.bring(value, folders, project=held.order.project)
            value = await _unless_cancelled(held, work)
        return msgspec.json.encode(value)

    async def _run_agent(self, held: Held, folders: Folders, prepared: bytes) -> Ended:
        order, manifest = held.order, held.agent.manifest
        redact = self._secrets.redaction(order.project, manifest)
        socket = self._sockets.shared(held) or await self._sockets.own(held)
        held.agent_began = datetime.now(UTC)
        try:
            ended = await self._mode.run(
                Attempt(
                    order=order,
                    manifest=manifest,
                    input=prepared,
                    folders=folders,
                    attempt_key=held.attempt_key,
                    slot=held.slot,
                    socket=socket,
                    granted_at=held.granted_at,
                    traceparent=held.traceparent,
                ),
                on_log=self._logs.of(order, redact),
                cancelled=held.cancelled,
            )
        finally:
            self._sockets.close_own(held)
        if ended.failure is None:
            return ended
        failure = STOPPED if held.drained else redacted(ended.failure, redact)
        return msgspec.structs.replace(ended, failure=failure)

    async def _judge(self, held: Held, folders: Folders, output: bytes) -> bytes:
        """The output as it is reported: JSON, as its schema wants it, with URIs for files, not too large."""
        try:
            value: Json = msgspec.json.decode(output)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise AttemptError(invalid("InvalidOutput", f"the output is not JSON: {error}")) from error
        wrong = held.agent.wrong_output
        if wrong is not None and (problems := wrong(value)):
            raise AttemptError(
                invalid("InvalidOutput", f"the output does not match the agent's schema: {problems}")
            )
        if folders.seen_out.encode() in output or _ESCAPED_SLASH in output:
            work = self._files.collect(
                value, folders, project=held.order.project, traceparent=held.order.traceparent
            )
            output = msgspec.json.encode(await _unless_cancelled(held, work))
        if len(output) > OUTPUT_BYTES_MAX:
            raise AttemptError(too_large(len(output)))
        return output

    def _report(self, held: Held, ended: Ended) -> None:
        """Hand the result to the publisher, unless somebody else may have the attempt by now."""
        if held.reported or self._held.of_token(held.token) is not held:
            return
        if lease_clock() >= held.safe_until:
            # This process slept past its lease: nothing that it did since may be told.
            metrics.RUNNER_LEASES_LOST.labels("slept").inc()
            self._held.drop(held.token)
            return
        order = held.order
        failure = ended.failure.cut() if ended.failure is not None else None
        self._results.add(
            Result(
                run=order.run,
                node=order.node,
                attempt=order.attempt,
                token=held.token,
                output=msgspec.Raw(ended.output) if ended.output is not None else msgspec.UNSET,
                failure=failure,
                released=ended.released,
                parked=ended.parked,
                seconds=ended.seconds,
                cpu_s=ended.cpu_s,
                memory_bytes=ended.memory_bytes,
                tier=ended.tier,
                usage=tuple(held.usage.values()),
            )
        )
        held.reported = True
        _count(order.agent, ended)


def _unless_parked(held: Held, ended: Ended) -> Ended:
    """How it ended, but for one that was parked: that was decided first. An agent that ends well nevertheless has
    not waited for the answer, and one that failed was told to end."""
    if held.parking is None:
        return ended
    question = held.parking.question
    return msgspec.structs.replace(
        ended, output=None, failure=None, parked=question, released=question is None
    )


async def _unless_cancelled(held: Held, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which moves files and so may take long; a wish to cancel stops it."""
    task = asyncio.create_task(_described(work))
    held.cancelled.on_set(lambda: _stop(task))
    try:
        async with asyncio.timeout(held.order.timeout_s):
            return await task
    except asyncio.CancelledError:
        this = asyncio.current_task()
        if held.cancelled.is_set() and (this is None or not this.cancelling()):
            raise AttemptError(STOPPED if held.drained else _CANCELLED) from None
        raise
    except TimeoutError as error:
        failure = Failure(
            type="Timeout",
            message=f"moving the attempt's artifacts took longer than {held.order.timeout_s:g} s",
            error_class=ErrorClass.TIMEOUT,
        )
        raise AttemptError(failure) from error


def _stop(task: asyncio.Task[Any]) -> None:
    task.cancel()


async def _described(work: Coroutine[Any, Any, T]) -> T:
    """Errors of moving files are failures of the attempt, told by what they are."""
    try:
        return await work
    except Exception as error:
        failure = described(error)
        if failure is None:
            raise
        raise AttemptError(failure) from error


def _unexpected(error: Exception) -> Failure:
    """The runner's own mistake, with its stack: it must not look like the agent's."""
    return Failure(
        type=f"Runner{type(error).__name__}",
        message=f"the runner failed: {error}",
        error_class=ErrorClass.ERROR,
        stack=traceback.format_exc(),
    )


def _count(agent: str, ended: Ended) -> None:
    metrics.RUNNER_ATTEMPTS.labels(agent, _outcome(ended)).inc()
    metrics.RUNNER_ATTEMPT_SECONDS.labels(agent).observe(ended.seconds)


def _outcome(ended: Ended) -> str:
    if ended.parked is not None:
        return "parked"
    return "released" if ended.released else "failed" if ended.failure is not None else "succeeded"
