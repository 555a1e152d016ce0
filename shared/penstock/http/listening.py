"""The socket that HTTP listens on, taken before anything else is touched: a taken port stops the start."""

import errno
import socket
import sys
from typing import NoReturn

from penstock.service import EXIT_WRONG_SETTING

BACKLOG = 2_048


def listen(*, host: str, port: int, prefix: str) -> socket.socket:
    """Bound and listening; ends the process with the setting's name (below `prefix`) if that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        _refuse(host, port, error, prefix)


def _refuse(host: str, port: int, error: OSError, prefix: str) -> NoReturn:
    setting, wrong, advice = "HTTP_PORT", error.strerror or str(error), "choose another"
    if error.errno == errno.EADDRINUSE:
        wrong = "is taken by another process"
        advice = f"stop that process (`ss -ltnp sport = :{port}` names it) or choose another port"
    elif error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        setting, advice = "HTTP_HOST", "choose an address of this machine"
    print(f"{prefix}{setting}: port {port} of {host}: {wrong}; {advice}", file=sys.stderr)
    raise SystemExit(EXIT_WRONG_SETTING)
