"""Run inside the sandbox, before an agent that may reach the network or models: unix sockets on loopback.

Most clients know proxies by HTTPS_PROXY, and models by OPENAI_BASE_URL, and speak TCP to them. So this forwards
ports of 127.0.0.1 to the sockets of the proxy and of the gateway outside, which alone decide. Standard library only.
Usage: forwarder.py SOCKET PORT [SOCKET PORT]… -- COMMAND…
"""

import os
import signal
import socket
import sys
import threading
from contextlib import suppress

_CHUNK_BYTES = 64 * 1024


def main() -> None:
    end = sys.argv.index("--")
    places, command = sys.argv[1:end], sys.argv[end + 1 :]
    listeners = [
        (socket.create_server(("127.0.0.1", int(port)), backlog=64), path)
        for path, port in zip(places[::2], places[1::2], strict=True)
    ]
    # The forwarder is the child: the command keeps this process, its exit code and its signals.
    if os.fork() == 0:
        _serve(listeners)
    for listener, _ in listeners:
        listener.close()
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec would hand that on
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"sandbox: {command[0]}: {error.strerror}")


def _serve(listeners: list[tuple[socket.socket, str]]) -> None:
    os.setsid()
    for stream in (0, 1, 2):  # or the end of the agent's output would never be seen
        os.close(stream)
    *others, last = listeners
    for each in others:
        threading.Thread(target=_accept, args=each, daemon=True).start()
    _accept(*last)


def _accept(listener: socket.socket, path: str) -> None:
    while True:
        client, _ = listener.accept()
        upstream = socket.socket(socket.AF_UNIX)
        try:
            upstream.connect(path)
        except OSError:
            client.close()
            continue
        for source, target in ((client, upstream), (upstream, client)):
            threading.Thread(target=_copy, args=(source, target), daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main()
