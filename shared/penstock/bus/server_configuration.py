"""The configuration of nats-server, made from what each user may do.

`python -m penstock.bus.server_configuration > deploy/nats/nats.conf` writes that of docker-compose.yml.
"""

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

from penstock.bus import permissions
from penstock.bus.permissions import Permissions
from penstock.contracts.limits import GIB, MESSAGE_BYTES_MAX, MIB

STORE_BYTES_MAX = 8 * GIB
MEMORY_BYTES_MAX = 256 * MIB
PENDING_BYTES_MAX = 64 * MIB  # per client; a slower one is cut off
ANSWER_TTL = "1m"  # how long a request may be answered

PORT = 4222
PORT_MONITORING = 8222

# In the containers: the passwords are a secret, which nats-server reads relative to its configuration.
CONTAINER_STORE = "/data"
CONTAINER_PASSWORDS = "../../run/secrets/nats_passwords"
CONTAINER_USERS: Mapping[str, Permissions] = {
    permissions.ORCHESTRATOR: permissions.orchestrator(),
    permissions.RUNNER: permissions.runner(),  # all runners of pool default
    permissions.NOTIFIER: permissions.notifier(),
    permissions.OBSERVER: permissions.observer(),
    permissions.PUBLISHER: permissions.publisher(),
}


def configuration(
    *,
    store: str,
    users: Mapping[str, Permissions],
    passwords: Mapping[str, str],
    host: str = "127.0.0.1",
    port: int = PORT,
) -> dict[str, Any]:
    """nats-server's configuration; its format is a superset of JSON."""
    return {
        "server_name": "penstock",
        "host": host,
        "port": port,
        "max_payload": MESSAGE_BYTES_MAX,
        "max_pending": PENDING_BYTES_MAX,
        "jetstream": {
            "store_dir": store,
            "max_file_store": STORE_BYTES_MAX,
            "max_memory_store": MEMORY_BYTES_MAX,
        },
        "authorization": {"users": [_user(name, passwords[name], users[name]) for name in users]},
    }


def _user(name: str, password: str, allowed: Permissions) -> dict[str, Any]:
    rights: dict[str, Any] = {
        "publish": {"allow": list(allowed.publish)},
        "subscribe": {"allow": list(allowed.subscribe)},
    }
    if allowed.deny:
        rights["publish"]["deny"] = list(allowed.deny)
    if allowed.answers:
        rights["allow_responses"] = {"max": 1, "expires": ANSWER_TTL}
    return {"user": name, "password": password, "permissions": rights}


def for_containers() -> str:
    """The file that docker-compose.yml mounts: passwords are variables that an included file sets."""
    variables = {user: f"$PASSWORD_{user.upper()}" for user in CONTAINER_USERS}
    config = configuration(store=CONTAINER_STORE, users=CONTAINER_USERS, passwords=variables, host="0.0.0.0")
    document = json.dumps(config | {"http_port": PORT_MONITORING}, indent=2)
    body = (
        re.sub(r'"password": "(\$\w+)"', r'"password": \1', document).removeprefix("{\n").removesuffix("\n}")
    )
    return (
        "# Made by `make docs` from shared/penstock/bus/permissions.py: change it there.\n"
        f"include '{CONTAINER_PASSWORDS}'\n{body}\n"
    )


if __name__ == "__main__":
    sys.stdout.write(for_containers())
