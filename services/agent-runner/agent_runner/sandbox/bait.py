"""Bait for the self-attack: a secret file, listeners and a process of the host, not to be reached."""

import asyncio
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from agent_runner.sandbox.attack.escape import Targets
from agent_runner.sandbox.port import View


@dataclass(frozen=True)
class Bait:
    """What lies out, and whether the process that is part of it still lives."""

    folder: Path
    secret: str
    tcp_port: int
    abstract_socket: str
    path_socket: Path
    process: asyncio.subprocess.Process

    def targets(self, view: View, variables: tuple[str, ...]) -> Targets:
        return Targets(
            file=str(self.folder / "secret"),
            text=self.secret,
            tcp_port=self.tcp_port,
            abstract_socket=self.abstract_socket,
            path_socket=str(self.path_socket),
            process=self.process.pid,
            variables=list(variables),
            agent=view.agent,
            input=view.input,
            output=view.output,
            scratch=view.scratch,
        )

    def lives(self) -> bool:
        return self.process.returncode is None


@asynccontextmanager
async def laid_out() -> AsyncIterator[Bait]:
    """The bait is open to everybody: only the sandbox may keep an agent from it, never a file's mode."""
    secret = secrets.token_hex(16)
    folder = Path(tempfile.mkdtemp(prefix="penstock-bait-"))
    try:
        _write_open(folder, secret)
        with ExitStack() as stack:
            tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            abstract = f"penstock-bait-{secret}"
            _listen(stack, f"\0{abstract}")
            _listen(stack, str(folder / "socket"))
            os.chmod(folder / "socket", 0o777)
            process = await _process(secret)
            try:
                yield Bait(folder, secret, tcp.getsockname()[1], abstract, folder / "socket", process)
            finally:
                await _end(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_open(folder: Path, secret: str) -> None:
    folder.chmod(0o755)
    (folder / "secret").write_text(secret)
    (folder / "secret").chmod(0o644)


def _listen(stack: ExitStack, address: str) -> None:
    listener = stack.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(address)
    listener.listen()


async def _process(secret: str) -> asyncio.subprocess.Process:
    """A shell that waits for a line which never comes; the secret is in its arguments and its environment."""
    return await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", "read line", secret),
        stdin=asyncio.subprocess.PIPE,
        env={"PENSTOCK_BAIT": secret},
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()
