"""Does the bad deed that it is told to. What is done to it shows whether the sandbox and the runner hold."""

import json
import os
import signal
import socket
import sys
import time


def no_json() -> None:
    print("I would rather talk in prose.")


def flood() -> None:
    for _ in range(160):
        sys.stdout.write("x" * 65_536)
    sys.stdout.flush()


def wrong_shape() -> None:
    print("[1, 2, 3]")


def write_usr() -> None:
    with open("/usr/bin/villain", "w") as file:
        file.write("mine")


def fork() -> None:
    while True:
        if os.fork() == 0:
            time.sleep(60)


def allocate() -> None:
    held = bytearray(4 * 1024**3)
    for position in range(0, len(held), 4096):
        held[position] = 1


def sleep() -> None:
    time.sleep(600)


def ignore_term() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ignoring", file=sys.stderr, flush=True)
    while True:
        time.sleep(1)


def open_socket() -> None:
    with socket.create_connection(("127.0.0.1", 22), timeout=2):
        pass


def exit_3() -> None:
    try:
        raise RuntimeError("the third way out")
    except RuntimeError:
        import traceback

        traceback.print_exc()
    sys.exit(3)


def environment() -> None:
    print(json.dumps({"environment": sorted(os.environ)}))


if __name__ == "__main__":
    globals()[json.load(sys.stdin)["deed"].replace("-", "_")]()
