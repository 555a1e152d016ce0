"""Which hosts an agent may ask: the list `sandbox.network` of its own agent.yaml, which the operator edits.

The runner's proxy enforces it. Reading it here, too, saves requests that the proxy would refuse, and tells
"not on the list" apart from a site that answers 403 itself.
"""

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from ruamel.yaml import YAML

_PORTS = {"http": 80, "https": 443}


class AllowList:
    def __init__(self, hosts: Iterable[str]) -> None:
        self.hosts = frozenset(host.lower() for host in hosts)

    def permits(self, url: str) -> bool:
        host = host_of(url)
        return host is not None and host in self.hosts


def read_allow_list(folder: Path) -> AllowList:
    """From the manifest in the agent's folder; a list that is "none" permits nothing."""
    manifest = YAML(typ="safe").load((folder / "agent.yaml").read_text(encoding="utf-8"))
    network = manifest.get("sandbox", {}).get("network", "none")
    return AllowList(network if isinstance(network, list) else ())


def host_of(url: str) -> str | None:
    """`host:port` as the list writes it; None for what is no web address, or holds a password."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.hostname or port is None or parts.username or parts.password:
        return None
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{name.rstrip('.').lower()}:{port}"
