"""The orchestrator's HTTP API as this command uses it (design §4)."""

from collections.abc import Mapping
from pathlib import Path
from typing import IO

import httpx

from penstock_cli.service_api import TIMEOUT_S, Document, Json, ServiceApi, given, segment

PRUNE_S_MAX = 600.0  # looking for what is named reads every run
WAIT_S_MAX = 60.0  # what the server allows one long poll
CHUNK_BYTES = 256 * 1024


class Api(ServiceApi):
    """One method for each thing that a person can ask. Raises Unreachable and Refused."""

    service = "orchestrator"
    setting = "PENSTOCK_URL"
    url_default = "http://127.0.0.1:9002"

    def save_workflow(self, text: bytes, *, is_json: bool) -> tuple[Document, bool]:
        """The workflow as saved, and whether that made a new version."""
        kind = "application/json" if is_json else "application/yaml"
        answer = self._send("POST", "/workflows", content=text, headers={"content-type": kind})
        return answer.json(), answer.status_code == httpx.codes.CREATED

    def workflow(self, name: str, version: int | None = None) -> Document:
        tail = f"/versions/{version}" if version else ""
        return self._get(f"/workflows/{segment(name)}{tail}")

    def workflows(self, filters: Mapping[str, Json]) -> Document:
        return self._get("/workflows", params=given(filters))

    def versions(self, name: str, filters: Mapping[str, Json]) -> Document:
        return self._get(f"/workflows/{segment(name)}/versions", params=given(filters))

    def diff(self, name: str, before: int | None, after: int | None) -> Document:
        return self._get(f"/workflows/{segment(name)}/diff", params=given({"from": before, "to": after}))

    def switch_workflow(self, name: str, *, active: bool) -> Document:
        verb = "activate" if active else "deactivate"
        return self._document("POST", f"/workflows/{segment(name)}/{verb}", json={})

    def steer_workflow(self, name: str, verb: str, *, by: str, reason: str) -> Document:
        """`verb`: pause or resume. Returns the workflow."""
        return self._document("POST", f"/workflows/{segment(name)}/{verb}", json={"by": by, "reason": reason})

    def start_run(self, body: Document) -> Document:
        return self._document("POST", "/runs", json=body)

    def run(self, run: str, *, wait_s: float = 0, after: int | None = None) -> Document:
        """The run; with `wait_s` once it has ended or, with `after`, gone past that sequence number."""
        asked: Document = {"wait": f"{min(wait_s, WAIT_S_MAX):g}"} if wait_s else {}
        if after is not None:
            asked["after"] = after
        return self._get(f"/runs/{segment(run)}", params=asked, timeout=TIMEOUT_S + wait_s)

    def runs(self, filters: Mapping[str, Json]) -> Document:
        return self._get("/runs", params=given(filters))

    def events(self, run: str, *, after: int = 0, wait_s: float = 0) -> Document:
        asked: Document = {"after": after}
        if wait_s:
            asked["wait"] = f"{min(wait_s, WAIT_S_MAX):g}"
        return self._get(f"/runs/{segment(run)}/events", params=asked, timeout=TIMEOUT_S + wait_s)

    def node(self, run: str, node: str) -> Document:
        return self._get(f"/runs/{segment(run)}/nodes/{segment(node)}")

    def logs(self, run: str, node: str, *, attempt: int | None = None, after: int = 0) -> Document:
        asked = {"after": after, **({"attempt": attempt} if attempt else {})}
        return self._get(f"/runs/{segment(run)}/nodes/{segment(node)}/logs", params=asked)

    def explain(self, run: str) -> Document:
        return self._get(f"/runs/{segment(run)}/explain")

    def items(self, run: str, node: str, filters: Mapping[str, Json]) -> Document:
        asked = {key: value for key, value in filters.items() if value is not None}
        return self._get(f"/runs/{segment(run)}/nodes/{segment(node)}/items", params=asked)

    def steer(self, run: str, verb: str, **said: Json) -> Document:
        """`verb`: cancel, pause, resume, retry, compensate or skip. Returns the run."""
        body = {key: value for key, value in said.items() if value is not None}
        return self._document("POST", f"/runs/{segment(run)}/{verb}", json=body)

    def answer(self, run: str, node: str, verb: str, **said: Json) -> Document:
        """`verb`: approve or reject. Returns the run."""
        body = {key: value for key, value in said.items() if value is not None}
        return self._document("POST", f"/runs/{segment(run)}/nodes/{segment(node)}/{verb}", json=body)

    def fork(self, run: str, body: Document) -> Document:
        """The new run, or with `preview` what it would do."""
        return self._document("POST", f"/runs/{segment(run)}/fork", json=body)

    def send_event(self, event: Document) -> Document:
        """How many are new, and how many were sent before."""
        headers = {"content-type": "application/cloudevents+json"}
        return self._document("POST", "/events", json=event, headers=headers)

    def inbound_events(self, filters: Mapping[str, Json]) -> Document:
        return self._get(
            "/events", params={key: value for key, value in filters.items() if value is not None}
        )

    def schedules(self, filters: Mapping[str, Json]) -> Document:
        asked = {key: value for key, value in filters.items() if value is not None}
        return self._get("/schedules", params=asked)

    def schedule(self, workflow: str, name: str) -> Document:
        return self._get(_schedule(workflow, name))

    def steer_schedule(self, workflow: str, name: str, verb: str, *, by: str) -> Document:
        """`pause` and `resume` give the schedule, `run` the run that was started."""
        return self._document("POST", f"{_schedule(workflow, name)}/{verb}", json={"by": by})

    def agents(self) -> Document:
        return self._get("/agents")

    def agent(self, name: str) -> Document:
        return self._get(f"/agents/{segment(name)}")

    def breakers(self, *, state: str | None) -> Document:
        return self._get("/breakers", params={"state": state} if state else None)

    def breaker(self, key: str) -> Document:
        return self._get(f"/breakers/{segment(key)}")

    def change_breaker(self, key: str, verb: str, body: Document) -> Document:
        """`verb`: open, close, reset, or policy."""
        method = "PUT" if verb == "policy" else "POST"
        return self._document(method, f"/breakers/{segment(key)}/{verb}", json=body)

    def statistics(self, *, workflow: str | None = None) -> Document:
        return self._get("/statistics", params={"workflow": workflow} if workflow else None)

    def budgets(self, filters: Mapping[str, Json]) -> Document:
        asked = {key: value for key, value in filters.items() if value is not None}
        return self._get("/budgets", params=asked)

    def set_budget(self, body: Document) -> Document:
        return self._document("PUT", "/budgets/project", json=body)

    def clear_budget(self, *, by: str, reason: str | None) -> None:
        said = {"by": by, **({"reason": reason} if reason else {})}
        self._send("DELETE", "/budgets/project", params=said)

    def raise_budget(self, run: str, body: Document) -> Document:
        return self._document("POST", f"/runs/{segment(run)}/budget", json=body)

    def retention(self) -> Document:
        return self._get("/retention")

    def set_retention(self, duration: str) -> Document:
        return self._document("PUT", "/retention", json={"retention": duration})

    def prune(self, *, older_than: str | None, dry_run: bool) -> Document:
        """One order; with `more` in the answer it has to be given again."""
        body = {"dry_run": dry_run, **({"older_than": older_than} if older_than else {})}
        return self._document("POST", "/prune", json=body, timeout=PRUNE_S_MAX)

    def limits(self) -> Document:
        return self._get("/limits")

    def set_limit(self, scope: str, name: str, maximum: int) -> Document:
        return self._document("PUT", f"/limits/{segment(scope)}/{segment(name)}", json={"maximum": maximum})

    def unset_limit(self, scope: str, name: str) -> None:
        self._send("DELETE", f"/limits/{segment(scope)}/{segment(name)}")

    def save_store(self, name: str, text: bytes, *, is_json: bool) -> tuple[Document, bool]:
        """The store as saved, and whether it is new."""
        kind = "application/json" if is_json else "application/yaml"
        headers = {"content-type": kind}
        answer = self._send("PUT", f"/stores/{segment(name)}", content=text, headers=headers)
        return answer.json(), answer.status_code == httpx.codes.CREATED

    def stores(self) -> Document:
        return self._get("/stores")

    def store(self, name: str) -> Document:
        return self._get(f"/stores/{segment(name)}")

    def rows(self, store: str, table: str, filters: Mapping[str, Json]) -> Document:
        return self._get(f"/stores/{segment(store)}/{segment(table)}", params=given(filters))

    def row(self, store: str, table: str, key: str) -> Document:
        return self._get(_row(store, table, key))

    def put_row(self, store: str, table: str, key: str, body: Document) -> Document:
        return self._document("PUT", _row(store, table, key), json=body)

    def delete_row(self, store: str, table: str, key: str, *, by: str) -> None:
        self._send("DELETE", _row(store, table, key), params={"by": by})

    def upload(self, file: IO[bytes], *, size_bytes: int) -> str:
        """Store the bytes; returns their SHA-256. Neither side holds them in memory."""
        headers = {"content-length": str(size_bytes), "content-type": "application/octet-stream"}
        answer = self._document(
            "POST", "/artifacts", content=iter(lambda: file.read(CHUNK_BYTES), b""), headers=headers
        )
        return str(answer["sha256"])

    def download(self, sha256: str, target: Path) -> int:
        """Write an artifact's bytes to `target`; returns how many."""
        with self._stream("GET", f"/artifacts/{sha256}") as answer, target.open("wb") as file:
            for chunk in answer.iter_bytes(CHUNK_BYTES):
                file.write(chunk)
            return file.tell()


def _row(store: str, table: str, key: str) -> str:
    return f"/stores/{segment(store)}/{segment(table)}/{segment(key)}"


def _schedule(workflow: str, name: str) -> str:
    return f"/schedules/{segment(workflow)}/{segment(name)}"
