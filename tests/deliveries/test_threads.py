"""Libraries that block have threads of their own: what hangs there holds up nobody else, nor the end."""

import subprocess
import sys
import threading

import pytest

from notifier.channels import threads as module
from notifier.channels.port import Told
from notifier.channels.threads import TARGET_THREADS_MAX, THREADS_MAX, Threads

_LOADS = """
import asyncio, sys
from notifier.channels.kinds import prepare

async def main():
    load = asyncio.create_task(prepare({"channel": {"apprise": {"url": "ntfy://host/topic"}}}))
    turns = 0
    while not load.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert "apprise" in sys.modules
    print(turns)

asyncio.run(main())
"""

_ENDS = """
import asyncio, threading
from notifier.channels import threads
threads.TOTAL_S = 0.1
told = asyncio.run(threads.Threads().run(threading.Event().wait, target="dead"))
print(told.error)
"""


def _said(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_a_target_that_never_ends_holds_its_own_threads_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOTAL_S", 0.05)
    threads, never = Threads(), threading.Event()
    begun = []

    def hang() -> Told:
        begun.append("hangs")
        never.wait()
        return Told(ok=False)

    for _ in range(TARGET_THREADS_MAX + 3):
        assert "no answer within" in (await threads.run(hang, target="dead")).error
    monkeypatch.setattr(module, "TOTAL_S", 5.0)
    others = [await threads.run(lambda: Told(ok=True), target=number) for number in range(THREADS_MAX)]
    never.set()

    assert len(begun) == TARGET_THREADS_MAX
    assert all(told.ok for told in others)
    assert (await threads.run(lambda: Told(ok=True), target="dead")).ok  # it has ended: there is room again


async def test_what_a_thread_raises_is_raised_here() -> None:
    def broken() -> Told:
        raise ValueError("ours to mend")

    with pytest.raises(ValueError, match="ours to mend"):
        await Threads().run(broken, target="x")


def test_the_end_of_the_process_does_not_wait_for_a_thread_that_hangs() -> None:
    assert "no answer within 0.1 s" in _said(_ENDS)


def test_loading_the_library_of_many_services_holds_up_nobody() -> None:
    """On the event loop it would be one turn."""
    assert int(_said(_LOADS)) > 3
