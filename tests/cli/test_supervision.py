"""Children: restarted when they die, stopped in reverse order, and clear words when one does not come up."""

import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from penstock_cli.embedded.child import Child
from penstock_cli.embedded.ports import free_port, is_free, require_free
from penstock_cli.embedded.processes import Service, Supervisor
from penstock_cli.errors import PortTaken, StartFailed

SLEEPER = "import time, pathlib, sys; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""
NOTES_ITS_END = """
import signal, sys, time, pathlib
def end(*_):
    with open(sys.argv[1], "a") as file: file.write(sys.argv[2])
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[3]).touch()
time.sleep(600)
"""


@pytest.fixture
def messages() -> list[str]:
    return []


@pytest.fixture
def supervisor(messages: list[str]) -> Iterator[Supervisor]:
    supervisor = Supervisor(messages.append)
    yield supervisor
    supervisor.stop()


def sleeper(folder: Path, name: str = "sleeper") -> Service:
    up = folder / f"{name}.up"
    child = Child(name=name, command=[sys.executable, "-c", SLEEPER, str(up)], log=folder / f"{name}.log")
    return Service(child=child, probe=up.exists)


def test_a_child_that_dies_is_started_again_and_said_so(
    supervisor: Supervisor, messages: list[str], tmp_path: Path
) -> None:
    service = sleeper(tmp_path)
    supervisor.start(service)
    former = service.pid

    service.kill()
    wait_until(lambda: supervisor.tend() is None and "runs again" in messages[-1])

    assert service.pid != former
    assert [message.split(";")[0].split(" (")[0] for message in messages] == [
        "sleeper ended unexpectedly",
        "sleeper runs again",
    ]


def test_a_child_that_needs_another_one_does_not_keep_it_from_being_started_again(
    supervisor: Supervisor, messages: list[str], tmp_path: Path
) -> None:
    first, second = sleeper(tmp_path, "first"), sleeper(tmp_path, "second")
    supervisor.start(first)
    supervisor.start(second)
    second.probe = first.alive

    second.kill()
    supervisor.tend()
    first.kill()
    wait_until(lambda: supervisor.tend() is None and "second runs again" in messages[-1])

    assert first.alive()


def test_a_child_that_keeps_dying_is_started_later_and_later(
    supervisor: Supervisor, messages: list[str], tmp_path: Path
) -> None:
    service = sleeper(tmp_path)
    supervisor.start(service)

    for deaths in (1, 2):
        service.kill()
        wait_until(lambda: supervisor.tend() is None and "runs again" in messages[-1])
        assert len([message for message in messages if "unexpectedly" in message]) == deaths

    assert "in 0.5 s" in messages[0]
    assert "in 1 s" in messages[2]


def test_what_was_told_to_stop_is_not_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    service = sleeper(tmp_path)
    supervisor.start(service)

    supervisor.forget(service)
    service.stop()
    supervisor.tend()

    assert not service.alive()


def test_children_stop_in_reverse_order(supervisor: Supervisor, tmp_path: Path) -> None:
    order = tmp_path / "order"
    for name in "abc":
        up = tmp_path / name
        command = [sys.executable, "-c", NOTES_ITS_END, str(order), name, str(up)]
        supervisor.start(
            Service(child=Child(name=name, command=command, log=tmp_path / "log"), probe=up.exists)
        )

    supervisor.stop()

    assert order.read_text() == "cba"


def test_a_child_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    child = Child(name="stubborn", command=[sys.executable, "-c", STUBBORN], log=tmp_path / "log")
    child.start()
    child.wait_ready(lambda: "up" in child.log_tail())
    process = psutil.Process(child.pid)

    child.stop(patience_s=0.1)

    assert not process.is_running()


def test_a_child_that_does_not_come_up_says_why(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('the sandbox cannot be made')"]
    child = Child(name="runner-1", command=command, log=tmp_path / "log")
    child.start()

    with pytest.raises(StartFailed, match=r"runner-1 ended with 1.*\nthe sandbox cannot be made"):
        child.wait_ready(lambda: False)


def test_a_child_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    service = sleeper(tmp_path)
    service.child.start()
    try:
        with pytest.raises(StartFailed, match="was not ready after"):
            service.child.wait_ready(lambda: False, patience_s=0.05)
    finally:
        service.stop()


def test_a_child_gets_its_own_stop_signal_when_the_parent_is_killed(tmp_path: Path) -> None:
    order, up = tmp_path / "order", tmp_path / "up"
    inner = [sys.executable, "-c", NOTES_ITS_END, str(order), "polite", str(up)]
    parent = (
        "import sys, time; from pathlib import Path; from penstock_cli.embedded.child import Child\n"
        f"Child(name='inner', command={inner!r}, log=Path({str(tmp_path / 'log')!r})).start(); time.sleep(600)"
    )
    outer = Child(name="outer", command=[sys.executable, "-c", parent], log=tmp_path / "outer.log")
    outer.start()
    wait_until(up.exists)

    outer.kill()

    wait_until(order.exists)
    assert order.read_text() == "polite"


def test_a_taken_port_names_the_port_its_holder_and_the_setting() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]

        with pytest.raises(PortTaken) as caught:
            require_free(port, purpose="the orchestrator", setting="PENSTOCK_ORCHESTRATOR_HTTP_PORT")

    message = str(caught.value)
    assert str(port) in message
    assert f"process {psutil.Process().pid}" in message
    assert "PENSTOCK_ORCHESTRATOR_HTTP_PORT=" in message


def test_a_free_port_is_free() -> None:
    assert is_free(free_port())


def wait_until(true: Callable[[], bool], *, patience_s: float = 15.0) -> None:
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
