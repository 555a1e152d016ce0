"""How this command asks a service of Penstock over HTTP, and what a refusal becomes."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx

from penstock.contracts.names import PROJECT_DEFAULT
from penstock_cli.errors import Refused, Unreachable

TIMEOUT_S = 30.0

Json = Any
Document = dict[str, Any]


class ServiceApi:
    """The calls that every service's API is made of. Raises Unreachable and Refused.

    `setting` is the variable with the service's URL.
    """

    service: str
    setting: str
    url_default: str

    def __init__(self, url: str | None = None, *, project: str | None = None) -> None:
        self.url = (url or os.environ.get(self.setting) or self.url_default).rstrip("/")
        headers = {"X-Penstock-Project": project or os.environ.get("PENSTOCK_PROJECT") or PROJECT_DEFAULT}
        # Proxies of the environment are for the world, not for a service on this machine or network.
        self._http = httpx.Client(
            headers=headers, timeout=httpx.Timeout(TIMEOUT_S, connect=5.0), trust_env=False
        )

    def _get(
        self, path: str, *, params: Mapping[str, Json] | None = None, timeout: float = TIMEOUT_S
    ) -> Document:
        return self._document("GET", path, params=params, timeout=timeout)

    def _document(self, method: str, path: str, **request: Any) -> Document:
        document: Document = self._send(method, path, **request).json()
        return document

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        with self._reachable():
            answer = self._http.request(method, f"{self.url}/api/v1{path}", **request)
        return _accepted(answer)

    @contextmanager
    def _stream(self, method: str, path: str) -> Iterator[httpx.Response]:
        with self._reachable(), self._http.stream(method, f"{self.url}/api/v1{path}") as answer:
            if answer.is_error:
                answer.read()
            yield _accepted(answer)

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            reason = str(error) or type(error).__name__
            raise Unreachable(self.service, self.url, reason, setting=self.setting) from error


def given(filters: Mapping[str, Json]) -> Document:
    return {key: value for key, value in filters.items() if value is not None}


def _accepted(answer: httpx.Response) -> httpx.Response:
    """`answer`, unless it is a refusal."""
    if not answer.is_error:
        return answer
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {
            "title": f"the answer was {answer.status_code} {answer.reason_phrase}: {answer.text[:200]}"
        }
    raise Refused({"status": answer.status_code, **problem})


def segment(name: str) -> str:
    """A name as one segment of a path, whatever a person typed."""
    return quote(name, safe="") or "-"
