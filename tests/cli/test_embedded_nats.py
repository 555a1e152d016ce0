"""The embedded NATS: its configuration is valid and private, and each user can do its work and nothing else."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import psutil
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeout

from penstock.bus.streams import declare_consumer, declare_streams
from penstock.contracts import subjects
from penstock_cli.embedded.nats import Nats, binary
from penstock_cli.embedded.ports import free_port
from tests.servers import RUNNER, RUNNER_GPU, TESTER

WAIT_S = 2.0

SUPERVISOR = """
import sys, time
from pathlib import Path
from penstock_cli.embedded.nats import Nats
server = Nats(folder=Path(sys.argv[1]), log=Path(sys.argv[1]) / "log", port=int(sys.argv[2]))
server.start()
print(server.pid, flush=True)
time.sleep(600)
"""


class Denied:
    """What the server refused, as told to the client's error callback."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._news = asyncio.Event()

    async def note(self, error: Exception) -> None:
        self.texts.append(str(error).lower())
        self._news.set()

    async def wait(self, text: str) -> None:
        """Return once a refusal that names `text` has arrived."""
        async with asyncio.timeout(WAIT_S):
            while not any("permissions violation" in seen and text.lower() in seen for seen in self.texts):
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def connected(server: Nats, user: str) -> AsyncIterator[tuple[Client, Denied]]:
    denied = Denied()
    login = server.login(user)
    client = await nats.connect(
        server.url,
        user=login.user,
        password=login.password,
        inbox_prefix=f"_INBOX_{user}",
        error_cb=denied.note,
    )
    try:
        yield client, denied
    finally:
        await client.close()


@pytest.fixture(scope="module")
async def declared(nats_server: Nats) -> Nats:
    """Streams and consumers, declared by the orchestrator's user: it may."""
    async with connected(nats_server, "orchestrator") as (client, denied):
        jetstream = client.jetstream()
        await declare_streams(jetstream)
        for pool in ("default", "gpu"):
            subject, durable = subjects.ready_of_pool(pool), subjects.ready_consumer(pool)
            await declare_consumer(jetstream, stream="NODES", durable=durable, subject=subject)
        for stream, durable in (("RESULTS", "orchestrator"), ("LOGS", "log-writer"), ("EVENTS", "notifier")):
            await declare_consumer(jetstream, stream=stream, durable=durable, subject=">")
        assert denied.texts == []
    return nats_server


def test_the_configuration_is_valid(own_nats: Nats) -> None:
    checked = subprocess.run([binary(), "-t", "-c", own_nats.config], capture_output=True, check=False)

    assert checked.returncode == 0, checked.stderr


def test_files_with_passwords_are_for_the_owner_only(own_nats: Nats) -> None:
    modes = [(own_nats.folder / name).stat().st_mode & 0o777 for name in ("nats.conf", "passwords.json")]

    assert modes == [0o600, 0o600]


def test_passwords_differ_between_users_and_survive_a_restart(own_nats: Nats) -> None:
    before = {user: own_nats.login(user).password for user in own_nats.users}
    own_nats.stop()
    own_nats.start()

    assert {user: own_nats.login(user).password for user in own_nats.users} == before
    assert len(set(before.values())) == len(before)


async def test_streams_survive_a_kill_and_a_restart(own_nats: Nats) -> None:
    async with connected(own_nats, "orchestrator") as (client, _):
        await declare_streams(client.jetstream())
        await client.jetstream().publish("penstock.node.ready.default.scanner", b"kept")

    own_nats.kill()
    own_nats.start()

    async with connected(own_nats, TESTER) as (client, _):
        assert (await client.jetstream().stream_info("NODES")).state.messages == 1


def test_killing_the_supervisor_leaves_no_server_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISOR, str(tmp_path), str(free_port())]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    server = psutil.Process(int(parent.stdout.readline()))

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    psutil.wait_procs([server], timeout=10)
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE


async def test_a_runner_can_do_its_work(declared: Nats) -> None:
    async with (
        connected(declared, "orchestrator") as (orchestrator, orchestrator_denied),
        connected(declared, RUNNER) as (runner, denied),
    ):
        await orchestrator.subscribe("penstock.rpc.>", cb=_answer)
        cancelled = await runner.subscribe("penstock.runner.one.cancel")
        await runner.flush()
        await orchestrator.jetstream().publish("penstock.node.ready.default.scanner", b"work")
        await orchestrator.publish("penstock.runner.one.cancel", b"stop")

        work = await _pull(runner, stream="NODES", consumer="pool-default")
        await runner.publish(work.reply, b"")
        answer = await runner.request("penstock.rpc.default.claim", b"mine?", timeout=WAIT_S)
        await runner.jetstream().publish("penstock.node.done.default", b"result")
        await runner.jetstream().publish("penstock.log.any-project", b"lines")

        assert (work.data, answer.data) == (b"work", b"granted")
        assert (await cancelled.next_msg(timeout=WAIT_S)).data == b"stop"
        result = await _pull(orchestrator, stream="RESULTS", consumer="orchestrator")
        await orchestrator.publish(result.reply, b"")
        await orchestrator.flush()
        assert denied.texts == []
        assert orchestrator_denied.texts == []


@pytest.mark.parametrize(
    "subject",
    [
        "penstock.node.ready.default.scanner",  # forge work
        "penstock.node.ready.gpu.scanner",
        "penstock.node.done.gpu",  # report for another pool
        "penstock.rpc.gpu.claim",
        "penstock.event.default.any.run.succeeded",  # forge history
        "penstock.runner.other.cancel",  # stop another's work
        "$JS.API.CONSUMER.MSG.NEXT.NODES.pool-gpu",  # take another pool's work
        "$JS.API.CONSUMER.MSG.NEXT.EVENTS.notifier",  # read events
        "$JS.API.CONSUMER.MSG.NEXT.RESULTS.orchestrator",  # read others' results
        "$JS.API.CONSUMER.CREATE.NODES.mine.penstock.node.ready.gpu.*",
        "$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.mine",
        "$JS.API.CONSUMER.DELETE.NODES.pool-gpu",
        "$JS.API.STREAM.CREATE.MINE",
        "$JS.API.STREAM.DELETE.NODES",
        "$JS.API.STREAM.PURGE.NODES",
        "$JS.API.STREAM.MSG.GET.RESULTS",
        "$JS.API.DIRECT.GET.EVENTS",
        "$JS.ACK.NODES.pool-gpu.1.1.1.1.1",  # make another pool's work vanish
        "$JS.ACK.RESULTS.orchestrator.1.1.1.1.1",
        "$SYS.REQ.SERVER.PING",
        "_INBOX_orchestrator.forged",  # forge an answer
    ],
)
async def test_a_runner_may_not_publish(declared: Nats, subject: str) -> None:
    async with connected(declared, RUNNER) as (runner, denied):
        await runner.publish(subject, b"{}")
        await runner.flush()

        await denied.wait(f'publish to "{subject}"')


@pytest.mark.parametrize(
    "subject",
    [
        ">",
        "penstock.>",
        "penstock.node.ready.default.*",
        "penstock.node.ready.gpu.*",
        "penstock.node.done.default",
        "penstock.event.>",
        "penstock.log.>",
        "penstock.rpc.default.claim",
        "_INBOX_runner-gpu.>",
        "_INBOX_orchestrator.>",
        "_INBOX.>",
        "$JS.EVENT.>",
        "$SYS.>",
    ],
)
async def test_a_runner_may_not_listen_to(declared: Nats, subject: str) -> None:
    async with connected(declared, RUNNER) as (runner, denied):
        await runner.subscribe(subject)
        await runner.flush()

        await denied.wait(f'subscription to "{subject}"')


async def test_another_pools_work_stays_there_whatever_a_runner_tries(declared: Nats) -> None:
    async with (
        connected(declared, "orchestrator") as (orchestrator, _),
        connected(declared, RUNNER) as (thief, _),
        connected(declared, RUNNER_GPU) as (owner, _),
    ):
        await orchestrator.jetstream().publish("penstock.node.ready.gpu.trainer", b"for gpu")
        with pytest.raises(NatsTimeout):
            await _pull(thief, stream="NODES", consumer="pool-gpu")

        work = await _pull(owner, stream="NODES", consumer="pool-gpu")
        await owner.publish(work.reply, b"")
        await owner.flush()

        assert work.data == b"for gpu"


async def test_an_observer_reads_events_and_cannot_write_them(declared: Nats) -> None:
    async with (
        connected(declared, "orchestrator") as (orchestrator, _),
        connected(declared, "observer") as (observer, denied),
    ):
        events = await observer.subscribe("penstock.event.>")
        await observer.flush()
        await orchestrator.jetstream().publish("penstock.event.default.w.run.started", b"fact")
        await observer.publish("penstock.event.default.w.run.failed", b"lie")

        assert (await events.next_msg(timeout=WAIT_S)).data == b"fact"
        await denied.wait("penstock.event.default.w.run.failed")
        assert (await observer.jetstream().stream_info("EVENTS")).state.messages >= 1


async def test_the_notifier_takes_events_and_nothing_else(declared: Nats) -> None:
    async with (
        connected(declared, "orchestrator") as (orchestrator, _),
        connected(declared, "notifier") as (notifier, denied),
    ):
        await orchestrator.jetstream().publish("penstock.event.default.w.run.failed", b"fact")
        event = await _pull(notifier, stream="EVENTS", consumer="notifier")
        await notifier.publish(event.reply, b"")
        await notifier.publish("$JS.API.CONSUMER.MSG.NEXT.NODES.pool-default", b"{}")

        assert event.subject.startswith("penstock.event.")
        await denied.wait("pool-default")


async def test_the_orchestrator_cannot_delete_a_stream(declared: Nats) -> None:
    async with connected(declared, "orchestrator") as (orchestrator, denied):
        await orchestrator.publish("$JS.API.STREAM.DELETE.NODES", b"")

        await denied.wait("stream.delete.nodes")


async def _answer(message: Msg) -> None:
    await message.respond(b"granted")


async def _pull(client: Client, *, stream: str, consumer: str) -> Msg:
    """One message of a durable consumer. It keeps its own subject, so `request` would not know its answer."""
    inbox = client.new_inbox()
    answers = await client.subscribe(inbox)
    await client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}", b'{"batch":1}', inbox)
    return await answers.next_msg(timeout=WAIT_S)
