"""Serves a plain function, one attempt at a time, in the main thread (reuse: process, concurrency 1)."""

import json
import os
from typing import Any

import msgspec

from penstock.agents.attempt import attempt_environment
from penstock.agents.function import Agent
from penstock.agents.host import Channel
from penstock.agents.host_logs import LogOf, attribute_prints, current_log
from penstock.agents.program import answered, encoded, finished
from penstock.contracts.frames import TRACEPARENT, FromRunner, Reply, environment_of


def serve_calls(agent: Agent[..., Any], channel: Channel) -> None:
    """Until the runner closes the pipe. A call cannot be interrupted: the runner ends the worker."""

    def log(id_: int, line: str) -> None:
        channel.send(Reply(id=id_, log=line))
        channel.flush()

    attribute_prints()
    channel.send(Reply(ready=True))
    channel.flush()
    while (frames := channel.read()) is not None:
        for frame in frames:
            if not frame.cancel:
                _serve(agent, channel, frame, LogOf(frame.id, log))
        channel.flush()


def _serve(agent: Agent[..., Any], channel: Channel, order: FromRunner, log: LogOf) -> None:
    attempt_environment.set(order.env)
    os.environ.pop(TRACEPARENT, None)  # this attempt need not belong to a trace
    os.environ.update(environment_of(order.env))
    current_log.set(log)
    reply = reply_of(order.id, lambda: encoded(finished(_result(agent, order.input))))
    log.end()
    current_log.set(None)
    channel.send(reply)


def _result(agent: Agent[..., Any], value: object) -> object:
    return agent.function(**agent.arguments.read(value))


def reply_of(id_: int, call: Any) -> Reply:
    """The reply that ends order `id_`: what `call` gives, or why it failed."""
    answer, code = answered(call)
    if code == 0:
        return Reply(id=id_, output=msgspec.Raw(answer))
    return Reply(id=id_, error=json.loads(answer)["error"])
