"""Ports: a free one, and who holds one that is taken."""

import socket

import psutil

from penstock_cli.errors import PortTaken

HOST = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether we could listen on `port`."""
    try:
        _listen(port)
    except OSError:
        return False
    return True


def require_free(port: int, *, purpose: str, setting: str) -> None:
    """Raise PortTaken unless we could listen on `port`."""
    try:
        _listen(port)
    except PermissionError as error:
        holder = "the system (only root may use it)"
        raise PortTaken(port=port, purpose=purpose, holder=holder, setting=setting) from error
    except OSError as error:
        raise PortTaken(port=port, purpose=purpose, holder=holder_of(port), setting=setting) from error


def _listen(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))


def holder_of(port: int) -> str | None:
    """The process that listens on `port`, such as "nginx (process 312)", if we may know."""
    try:
        connections = psutil.net_connections(kind="tcp")
        pids = [
            c.pid for c in connections if c.laddr and c.laddr.port == port and c.status == psutil.CONN_LISTEN
        ]
        return next((f"{psutil.Process(pid).name()} (process {pid})" for pid in pids if pid), None)
    except psutil.Error:
        return None
