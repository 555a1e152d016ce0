"""Escapes by way of sockets and signals: reaching the host's processes and networks."""

import os
import resource
import signal
import socket
from contextlib import suppress

from agent_runner.sandbox.attack.escape import Held, Targets, escape

_DEADLINE_S = 0.2
_DOCUMENTATION_ADDRESS = "192.0.2.1"  # RFC 5737: belongs to nobody


def _connect(family: int, address: tuple[str, int] | str) -> str:
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(_DEADLINE_S)
        client.connect(address)
    return f"connected to {address!r}"


@escape("connect to the host's loopback")
def connect_loopback(targets: Targets) -> str | None:
    return _connect(socket.AF_INET, ("127.0.0.1", targets.tcp_port))


@escape("connect to the host's loopback by IPv6")
def connect_loopback_6(targets: Targets) -> str | None:
    return _connect(socket.AF_INET6, ("::ffff:127.0.0.1", targets.tcp_port))


@escape("connect to an abstract socket of the host")
def connect_abstract(targets: Targets) -> str | None:
    return _connect(socket.AF_UNIX, f"\0{targets.abstract_socket}")


@escape("connect to a socket file of the host")
def connect_path(targets: Targets) -> str | None:
    return _connect(socket.AF_UNIX, targets.path_socket)


@escape("have a route to the internet")
def route_outside(targets: Targets) -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((_DOCUMENTATION_ADDRESS, 53))
        return f"the way out is by {client.getsockname()[0]}"


@escape("see a network interface besides loopback")
def see_interfaces(targets: Targets) -> str | None:
    others = [name for _, name in socket.if_nameindex() if name not in ("lo", "sit0", "tunl0", "ip6tnl0")]
    return f"found {', '.join(others)}" if others else None


@escape("open a raw socket")
def open_raw(targets: Targets) -> str | None:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    return "opened one"


def _open_family(name: str, family: int, kind: int) -> None:
    @escape(f"open a {name} socket")
    def _(targets: Targets) -> str | None:
        socket.socket(family, kind).close()
        return "opened one"


for _name, _family, _kind in (
    ("packet", 17, socket.SOCK_RAW),
    ("netlink", 16, socket.SOCK_RAW),
    ("vsock", 40, socket.SOCK_STREAM),
    ("kernel crypto", 38, socket.SOCK_SEQPACKET),
    ("bluetooth", 31, socket.SOCK_RAW),
):
    _open_family(_name, _family, _kind)


@escape("change the limits of a process of the host")
def limit_host(targets: Targets) -> str | None:
    if targets.process in (os.getpid(), os.getppid(), 1):
        raise Held("the number is one of ours")
    limits = resource.prlimit(targets.process, resource.RLIMIT_CORE)
    resource.prlimit(targets.process, resource.RLIMIT_CORE, limits)
    return f"set a limit of process {targets.process}"


@escape("slow down a process of the host")
def slow_host(targets: Targets) -> str | None:
    if targets.process in (os.getpid(), os.getppid(), 1):
        raise Held("the number is one of ours")
    os.setpriority(os.PRIO_PROCESS, targets.process, 19)
    return f"set the priority of process {targets.process}"


@escape("see processes of the host")
def see_processes(targets: Targets) -> str | None:
    with suppress(OSError), open(f"/proc/{targets.process}/cmdline") as file:
        if targets.text in file.read():
            return f"read the command line of {targets.process}"
    raise Held("its number leads nowhere")


@escape("signal a process of the host")
def signal_host(targets: Targets) -> str | None:
    """The host sees whether its process lives: the same number may be one of ours."""
    if targets.process in (os.getpid(), os.getppid(), 1):
        raise Held("the number is one of ours")
    os.kill(targets.process, signal.SIGKILL)
    return f"sent SIGKILL to {targets.process}"
