"""The gateway's sockets: one for each sandbox, made when the sandbox is."""

import secrets
from pathlib import Path

from agent_runner.held import Held
from agent_runner.serving import Served, Serving
from penstock.contracts.agent import Reuse

PATH_BYTES_MAX = 107  # what a unix socket's address can hold

Tenant = tuple[str, ...]
"""Who may speak at a socket: the attempts of one agent, version and project, or one attempt alone."""


class Sockets:
    """An attempt with a sandbox of its own has a socket of its own; the attempts of a worker share one.

    A shared socket lives as long as the runner: workers come and go, and the next one is given it again.
    """

    def __init__(self, serving: Serving, folder: Path) -> None:
        self._serving = serving
        self._folder = folder
        self._shared: dict[Tenant, Path] = {}
        self._served: dict[Tenant, Served] = {}

    def shared(self, held: Held) -> Path | None:
        """The socket of the attempt's worker, if there is one already."""
        return self._shared.get(tenant_of(held))

    async def own(self, held: Held) -> Path:
        """A new socket, for the attempt or for its worker."""
        tenant = tenant_of(held)
        path = self._folder / secrets.token_urlsafe(9)
        if held.agent.manifest.reuse is not Reuse.NEVER:
            self._shared[tenant] = path  # before waiting: two attempts at once must agree
        self._served[tenant] = await self._serving.on_unix(path, state={"tenant": tenant})
        return path

    def close_own(self, held: Held) -> None:
        """Close an attempt's own socket; a shared one stays."""
        if held.agent.manifest.reuse is Reuse.NEVER and (served := self._served.pop(tenant_of(held), None)):
            served.close()

    def close(self) -> None:
        for served in self._served.values():
            served.close()
        self._served.clear()
        self._shared.clear()


def tenant_of(held: Held) -> Tenant:
    manifest = held.agent.manifest
    if manifest.reuse is Reuse.NEVER:
        return (held.attempt_key,)
    return (manifest.reuse, manifest.name, manifest.version, held.order.project)
