"""Serves many attempts at once in one process: async functions as tasks, plain ones in threads."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import msgspec

from penstock.agents.attempt import attempt_environment
from penstock.agents.function import Agent
from penstock.agents.host import Channel
from penstock.agents.host_calls import reply_of
from penstock.agents.host_logs import LogOf, attribute_prints, current_log
from penstock.agents.program import awaited, checked, encoded, finished
from penstock.agents.serialise import plain
from penstock.contracts.frames import FromRunner, Reply


def serve_tasks(agent: Agent[..., Any], channel: Channel, *, threads: int) -> None:
    """Until the runner closes the pipe. `threads` is 0 for an async function."""
    attribute_prints()
    asyncio.run(_Server(agent, channel, threads=threads).serve())


class _Server:
    def __init__(self, agent: Agent[..., Any], channel: Channel, *, threads: int) -> None:
        self._function = agent.function
        self._read_arguments = agent.arguments.read
        self._channel = channel
        self._pool = ThreadPoolExecutor(threads) if threads else None
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._encode = msgspec.json.Encoder().encode
        self._is_flushing = False

    async def serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._closed = self._loop.create_future()
        self._loop.add_reader(self._channel.orders, self._take)
        self._send(Reply(ready=True, cancels=self._pool is None))
        await self._closed
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _take(self) -> None:
        """Begin every order that has come, and cancel what is to be cancelled."""
        frames = self._channel.read()
        if frames is None:
            self._loop.remove_reader(self._channel.orders)
            self._closed.set_result(None)
            return
        for frame in frames:
            if not frame.cancel:
                self._tasks[frame.id] = self._loop.create_task(self._serve(frame))
            elif frame.cancel in self._tasks and self._pool is None:
                self._tasks[frame.cancel].cancel()

    async def _serve(self, order: FromRunner) -> None:
        log = LogOf(order.id, self._send_log)
        attempt_environment.set(order.env)
        current_log.set(log)
        try:
            reply = await (self._call(order) if self._pool is None else self._call_in_thread(order, log))
        finally:
            del self._tasks[order.id]
        log.end()
        self._send(reply)

    async def _call(self, order: FromRunner) -> Reply:
        try:
            result = await awaited(self._function(**self._read_arguments(order.input)))
            return Reply(id=order.id, output=msgspec.Raw(checked(self._encode(plain(result)))))
        except BaseException as error:
            return reply_of(order.id, _raising(error))

    async def _call_in_thread(self, order: FromRunner, log: LogOf) -> Reply:
        def call() -> bytes:
            try:
                return encoded(finished(self._function(**self._read_arguments(order.input))))
            finally:
                log.end()  # here, so that its last line takes the same way as the others

        return await self._loop.run_in_executor(self._pool, copy_context().run, reply_of, order.id, call)

    def _send_log(self, id_: int, line: str) -> None:
        frame = Reply(id=id_, log=line)
        if self._pool is None:
            self._send(frame)
        else:  # printed in a thread; the loop's own order keeps it before the attempt's reply
            self._loop.call_soon_threadsafe(self._send, frame)

    def _send(self, frame: Reply) -> None:
        """Frames of one turn of the loop leave in one write."""
        self._channel.send(frame)
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flushing = False
        self._channel.flush()


def _raising(error: BaseException) -> Any:
    def call() -> bytes:
        raise error

    return call
