"""The orchestrator as actions see it: how a breaker or a workflow is now, and who changed it; change it."""

import asyncio
from typing import Any
from urllib.parse import quote

import httpx

from notifier.alerts.action import Action, Outcome, Seen, rule_on
from notifier.alerts.source import Verb
from penstock.http.reading import PROJECT_HEADER

TIMEOUT_S = 10.0  # of one call
REASON_CHARS_MAX = 300
_ASK_AGAIN = (401, 403, 408, 425, 429)  # a refusal that may pass; the others say that the thing is not there

_BREAKERS = (Verb.OPEN_BREAKER, Verb.CLOSE_BREAKER)
_CALLS = {  # verb → what the API calls doing and undoing it
    Verb.OPEN_BREAKER: ("open", "close"),
    Verb.CLOSE_BREAKER: ("close", "open"),
    Verb.PAUSE_WORKFLOW: ("pause", "resume"),
    Verb.RESUME_WORKFLOW: ("resume", "pause"),
}


class Away(Exception):
    """It does not answer, or asks for patience: try again."""


class Refused(Exception):
    """It knows no such breaker or workflow: trying again changes nothing."""


class Orchestrator:
    """Carries actions out over HTTP."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def carry_out(self, action: Action) -> tuple[Outcome, str, bool]:
        """What came of it, in a word and in a sentence, and whether the engine is changed by us now.

        Between the look and the change a person may act: that change of a second ago is lost, and in the audit.
        """
        ruling = rule_on(action, await self._look(action))
        if not ruling.change:
            return ruling.outcome, ruling.detail, ruling.changed
        call = _CALLS[action.verb][action.undo]
        why = "is resolved" if action.undo else "is firing"
        body = {"by": action.by, "reason": f"alert {action.alert or '(no name)'} {why}"[:REASON_CHARS_MAX]}
        answer = await self._ask("POST", action, f"/{call}", json=body)
        _expect_done(answer)
        return (Outcome.UNDONE if action.undo else Outcome.DONE), "", True

    async def _look(self, action: Action) -> Seen:
        answer = await self._ask("GET", action, "")
        if answer.status_code == httpx.codes.NOT_FOUND and action.verb is Verb.OPEN_BREAKER:
            return Seen(as_done=False, as_undone=True, by="")  # a dependency that was never asked is closed
        _expect_done(answer)
        try:
            document = answer.json()
            return _breaker(action, document) if action.verb in _BREAKERS else _workflow(action, document)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise Away(f"this is no answer of the orchestrator: {answer.text[:REASON_CHARS_MAX]}") from error

    async def _ask(self, method: str, action: Action, tail: str, **request: Any) -> httpx.Response:
        is_breaker = action.verb in _BREAKERS
        path = f"/breakers/{quote(f'dependency/{action.target}', safe='')}" if is_breaker else ""
        path = path or f"/workflows/{quote(action.target, safe='')}"
        headers = {PROJECT_HEADER: action.project}
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._client.request(method, f"/api/v1{path}{tail}", headers=headers, **request)
        except (httpx.HTTPError, TimeoutError) as error:
            raise Away(f"the orchestrator does not answer: {error!r}") from error


def _expect_done(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    said = f"the orchestrator answered {answer.status_code}: {answer.text[:REASON_CHARS_MAX]}"
    if answer.is_client_error and answer.status_code not in _ASK_AGAIN:
        raise Refused(said)
    raise Away(said)


def _breaker(action: Action, document: dict[str, Any]) -> Seen:
    states = ("open", "closed") if action.verb is Verb.OPEN_BREAKER else ("closed", "open")
    as_done, as_undone = (document["state"] == state for state in states)
    return Seen(as_done, as_undone, document["changed_by"])


def _workflow(action: Action, document: dict[str, Any]) -> Seen:
    """`events` are who has paused and resumed it, the latest first."""
    is_as_done = bool(document.get("paused")) is (action.verb is Verb.PAUSE_WORKFLOW)
    by = next((event["by"] for event in document.get("events", ())), "")
    return Seen(is_as_done, not is_as_done, by)
