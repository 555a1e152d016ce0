"""Whether a service is ready, by its `/ready` page; and if it never will be, why."""

from typing import Any

import httpx

PROBE_S_MAX = 2.0
SANDBOX = "sandbox"


class NeverReady(Exception):
    """Waiting is of no use; the message says what to change."""


class ReadyPage:
    """Asks `/ready`. `reason` is what the page said the last time it was not ready."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/ready"
        self.reason = "it did not answer"

    def __call__(self) -> bool:
        try:
            answer = httpx.get(self._url, timeout=PROBE_S_MAX, trust_env=False)
        except httpx.TransportError:
            return False
        if answer.status_code == httpx.codes.OK:
            return True
        failing = [entry for entry in _dependencies(answer) if not entry.get("ok")]
        self.reason = (
            "; ".join(f"{entry.get('name')}: {entry.get('detail')}" for entry in failing) or answer.text
        )
        if any(entry.get("name") == SANDBOX for entry in failing):
            raise NeverReady(f"takes no work: {self.reason}. See `penstock doctor`")
        return False


def _dependencies(answer: httpx.Response) -> list[dict[str, Any]]:
    try:
        document = answer.json()
    except ValueError:
        return []
    entries = document.get("dependencies") if isinstance(document, dict) else None
    return [entry for entry in entries or [] if isinstance(entry, dict)]
