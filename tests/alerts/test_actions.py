"""What alerts do to a real orchestrator: done after the hold, undone after the hold, never against a person."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from notifier.alerts.acting import LEASE, Acting
from notifier.alerts.action import Action, Outcome, Seen, rule_on
from notifier.alerts.orchestrator import Orchestrator
from notifier.alerts.retention import Retention
from notifier.alerts.source import Verb
from notifier.store.actions import Actions
from notifier.store.alerts import Alerts
from tests.alerts.builders import alert, bearer, payload, resolved

BREAKER = "/api/v1/breakers/dependency%2Fllm-provider"
SHOP = {"x-penstock-project": "shop"}


@pytest.fixture
def acting(pool: asyncpg.Pool, orchestrator: httpx.AsyncClient) -> Acting:
    """Called, it does what is due now."""
    return Acting(Actions(pool), Orchestrator(orchestrator))


@pytest.fixture
async def away(pool: asyncpg.Pool) -> AsyncIterator[Acting]:
    """The same, while the orchestrator is away."""
    async with httpx.AsyncClient(base_url="http://127.0.0.1:9") as client:
        yield Acting(Actions(pool), Orchestrator(client))


async def tell(api: httpx.AsyncClient, *alerts: dict[str, Any], **headers: Any) -> None:
    assert (await api.post("/alertmanager", json=payload(*alerts), **headers)).status_code == 200


async def breaker(orchestrator: httpx.AsyncClient) -> tuple[str, str]:
    """Its state, and who changed it."""
    answer = await orchestrator.get(BREAKER, headers=SHOP)
    if answer.status_code == 404:
        return "unknown", ""
    return answer.json()["state"], answer.json()["changed_by"]


async def by_hand(orchestrator: httpx.AsyncClient, verb: str) -> None:
    answer = await orchestrator.post(f"{BREAKER}/{verb}", json={"by": "ada"}, headers=SHOP)
    assert answer.status_code == 200


async def audit(api: httpx.AsyncClient) -> list[tuple[str, str]]:
    """State and outcome of each action, the latest first."""
    items = (await api.get("/alert-actions")).json()["items"]
    return [(item["state"], item["outcome"]) for item in items]


async def hold_is_over(pool: asyncpg.Pool) -> None:
    await pool.execute(
        "update alert_wish set due_at = due_at - interval '1 hour', resolved_at = resolved_at - interval '1 hour'"
    )


async def try_again(pool: asyncpg.Pool) -> None:
    await pool.execute("update alert_action set try_at = now()")


async def test_an_alert_opens_a_breaker_and_its_end_closes_it(
    api: httpx.AsyncClient, acting: Acting, orchestrator: httpx.AsyncClient
) -> None:
    await tell(api, alert("LlmDown"))
    await acting()
    while_firing = await breaker(orchestrator)
    await tell(api, resolved("LlmDown"))
    await acting()
    await acting()

    assert while_firing == ("open", "alertmanager production")
    assert await breaker(orchestrator) == ("closed", "alertmanager production")
    (action,) = (await api.get("/alert-actions")).json()["items"]
    assert (action["action"], action["target"], action["project"]) == ("open_breaker", "llm-provider", "shop")
    assert (action["alert"], action["source"]) == ("LlmDown", "production")
    assert (action["state"], action["outcome"]) == ("ended", "undone")
    assert action["ordered_at"] <= action["done_at"] <= action["ended_at"]
    events = (await orchestrator.get(BREAKER, headers=SHOP)).json()["events"]
    assert [event["reason"] for event in events] == ["alert LlmDown is resolved", "alert LlmDown is firing"]


async def test_an_alert_that_no_rule_meets_does_nothing(
    api: httpx.AsyncClient, acting: Acting, orchestrator: httpx.AsyncClient
) -> None:
    await tell(api, alert("Other"))
    await tell(api, alert("LlmDown"), headers=bearer("a-token-of-staging-x"))
    await acting()

    assert await breaker(orchestrator) == ("unknown", "")
    assert await audit(api) == []


async def test_an_alert_acts_only_after_it_has_fired_for_the_hold(
    api: httpx.AsyncClient, acting: Acting, orchestrator: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await tell(api, alert("LlmSlow"))
    await acting()
    too_early = await audit(api)
    await hold_is_over(pool)
    await acting()

    assert too_early == []
    assert await breaker(orchestrator) == ("open", "alertmanager production")


async def test_an_alert_that_ends_within_the_hold_does_nothing(
    api: httpx.AsyncClient, acting: Acting, pool: asyncpg.Pool
) -> None:
    await tell(api, alert("LlmSlow"))
    await tell(api, resolved("LlmSlow"))
    await hold_is_over(pool)
    await acting()

    assert await audit(api) == []


async def test_flapping_switches_once(
    api: httpx.AsyncClient, acting: Acting, orchestrator: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await tell(api, alert("LlmSlow"))
    await hold_is_over(pool)
    await acting()
    for minute in range(36, 46, 2):  # resolved for less than a minute, again and again
        start, end = f"2026-11-21T09:{minute}:00Z", f"2026-11-21T09:{minute + 1}:00Z"
        await tell(api, resolved("LlmSlow"))
        await acting()
        await tell(api, alert("LlmSlow", startsAt=start))
        await acting()
        await tell(api, resolved("LlmSlow", startsAt=start, endsAt=end))
        await acting()

    assert await audit(api) == [("done", "done")]
    await hold_is_over(pool)
    await acting()
    assert await breaker(orchestrator) == ("closed", "alertmanager production")
    assert len((await orchestrator.get(BREAKER, headers=SHOP)).json()["events"]) == 2


async def test_it_is_undone_when_the_last_alert_that_asked_is_over(
    api: httpx.AsyncClient, acting: Acting, orchestrator: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await tell(api, alert("LlmDown"), alert("LlmSlow"))
    await acting()
    await tell(api, resolved("LlmDown"))
    await hold_is_over(pool)
    await acting()
    one_left = await breaker(orchestrator)
    await tell(api, resolved("LlmSlow"))
    await hold_is_over(pool)
    await acting()

    assert one_left[0] == "open"
    assert await breaker(orchestrator) == ("closed", "alertmanager production")
    assert await audit(api) == [("ended", "undone")]


async def test_a_firing_that_comes_after_its_end_does_nothing(api: httpx.AsyncClient, acting: Acting) -> None:
    await tell(api, resolved("LlmDown"))
    await tell(api, alert("LlmDown"))
    await tell(api, alert("LlmDown", startsAt="2026-11-21T09:34:00Z"))  # its start was moved before it ended
    await acting()

    assert await audit(api) == []


async def test_an_end_counts_for_a_start_that_was_moved(
    api: httpx.AsyncClient, acting: Acting, orchestrator: httpx.AsyncClient
) -> None:
    await tell(api, alert("LlmDown", startsAt="2026-11-21T09:32:00Z"))
    await acting()
    await tell(api, resolved("LlmDown", startsAt="2026-11-21T09:30:00Z"))
    await acting()

    assert (await breaker(orchestrator))[0] == "closed"


async def test_an_alert_that_fires_again_acts_again(
    api: httpx.AsyncClient, acting: Acting, orchestrator: httpx.AsyncClient
) -> None:
    for start, end in (("09:30", "09:31"), ("09:32", "09:33")):
        moments = {"startsAt": f"2026-11-21T{start}:00Z", "endsAt": f"2026-11-21T{end}:00Z"}
        await tell(api, alert("LlmDown", startsAt=moments["startsAt"]))
        await acting()
        assert (await breaker(orchestrator))[0] == "open"
        await tell(api, resolved("LlmDown", **moments))
        await acting()

    assert await audit(api) == [("ended", "undone")] * 2


async def test_what_a_person_had_done_before_is_not_undone(
    api: httpx.AsyncClient, acting: Acting, orchestrator: httpx.AsyncClient
) -> None:
    await by_hand(orchestrator, "open")
    await tell(api, alert("LlmDown"))
    await acting()
    await acting()
    while_firing = await audit(api)
    await tell(api, resolved("LlmDown"))
    await acting()

    assert while_firing == [("done", "left")]
    assert await audit(api) == [("ended", "left")]
    assert await breaker(orchestrator) == ("open", "ada")


@pytest.mark.parametrize("verb", ["close", "open"])
async def test_what_a_person_has_changed_since_is_left(
    api: httpx.AsyncClient, acting: Acting, orchestrator: httpx.AsyncClient, verb: str
) -> None:
    await tell(api, alert("LlmDown"))
    await acting()
    await by_hand(orchestrator, verb)
    await acting()
    as_the_person_left_it = await breaker(orchestrator)
    await tell(api, resolved("LlmDown"))
    await acting()

    assert as_the_person_left_it[1] == "ada"
    assert await breaker(orchestrator) == as_the_person_left_it
    (action,) = (await api.get("/alert-actions")).json()["items"]
    assert (action["state"], action["outcome"]) == ("ended", "left")
    assert "ada" in action["detail"]


async def test_it_is_done_when_the_orchestrator_is_back(
    api: httpx.AsyncClient, acting: Acting, away: Acting, orchestrator: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await tell(api, alert("LlmDown"))
    await away()
    (waiting,) = (await api.get("/alert-actions")).json()["items"]
    await acting()
    postponed = await breaker(orchestrator)
    await try_again(pool)
    await acting()
    opened = await breaker(orchestrator)
    await tell(api, resolved("LlmDown"))
    await away()
    await try_again(pool)
    await acting()

    assert (waiting["state"], waiting["outcome"], waiting["tries"]) == ("doing", "waiting", 1)
    assert "does not answer" in waiting["detail"]
    assert (postponed[0], opened[0]) == ("unknown", "open")
    assert (await breaker(orchestrator))[0] == "closed"
    assert await audit(api) == [("ended", "undone")]


async def test_what_is_no_orchestrator_is_asked_again(
    api: httpx.AsyncClient, acting: Acting, pool: asyncpg.Pool, orchestrator: httpx.AsyncClient
) -> None:
    await tell(api, alert("LlmDown"))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{await a_proxy()}") as client:
        await Acting(Actions(pool), Orchestrator(client))()
    waiting = await audit(api)
    await try_again(pool)
    await acting()

    assert waiting == [("doing", "waiting")]
    assert (await breaker(orchestrator))[0] == "open"


async def a_proxy() -> int:
    """The port of something that answers everything with a page."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return int(server.sockets[0].getsockname()[1])


async def test_a_try_whose_answer_was_lost_is_noticed(
    api: httpx.AsyncClient, acting: Acting, orchestrator: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await tell(api, alert("LlmDown"))
    await acting()
    await pool.execute(
        "update alert_action set state = 'doing', acted = false, try_at = now()"
    )  # it died there
    await acting()
    opened = await pool.fetchrow("select state, acted from alert_action")
    await tell(api, resolved("LlmDown"))
    await acting()
    await pool.execute("update alert_action set state = 'undoing', ended_at = null, try_at = now()")
    await acting()

    assert tuple(opened) == ("done", True)
    assert await audit(api) == [("ended", "undone")]
    assert len((await orchestrator.get(BREAKER, headers=SHOP)).json()["events"]) == 2


async def test_what_was_over_before_it_was_tried_is_dropped(
    api: httpx.AsyncClient, acting: Acting, orchestrator: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await tell(api, alert("LlmDown"))
    await Actions(pool).order()  # and then nobody had time for it
    await tell(api, resolved("LlmDown"))
    await acting()

    assert await audit(api) == [("ended", "dropped")]
    assert (await breaker(orchestrator))[0] == "unknown"


async def test_undoing_does_not_overtake_a_try_that_is_going_on(
    api: httpx.AsyncClient, acting: Acting, pool: asyncpg.Pool
) -> None:
    await tell(api, alert("LlmDown"))
    store = Actions(pool)
    await store.order()
    (going_on,) = await store.claim(limit=1, lease=LEASE)
    await tell(api, resolved("LlmDown"))
    await acting()
    meanwhile = await audit(api)
    await store.record(going_on, outcome=Outcome.DONE, detail="", acted=True)
    await store.order()

    assert meanwhile == [("doing", "waiting")]
    assert await audit(api) == [("undoing", "done")]


async def test_several_notifiers_do_it_once(
    api: httpx.AsyncClient, orchestrator: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await tell(api, alert("LlmDown"), alert("LlmDown", fingerprint="another"))
    notifiers = [Acting(Actions(pool), Orchestrator(orchestrator)) for _ in range(4)]
    await asyncio.gather(*(each() for each in notifiers))

    assert await audit(api) == [("done", "done")]
    assert len((await orchestrator.get(BREAKER, headers=SHOP)).json()["events"]) == 1


async def test_a_workflow_that_does_not_exist_is_told(api: httpx.AsyncClient, acting: Acting) -> None:
    await tell(api, alert("Flood"))
    await acting()

    (action,) = (await api.get("/alert-actions", params={"state": "done"})).json()["items"]
    assert (action["outcome"], action["action"]) == ("refused", "pause_workflow")
    assert "no workflow named 'import'" in action["detail"]


WORKFLOW = "/api/v1/workflows/import"


async def import_exists(orchestrator: httpx.AsyncClient) -> None:
    document = {"name": "import", "nodes": {"fetch": {"agent": "fetcher"}}}
    assert (await orchestrator.post("/api/v1/workflows", json=document, headers=SHOP)).status_code == 201


async def paused_by(orchestrator: httpx.AsyncClient) -> str | None:
    paused = (await orchestrator.get(WORKFLOW, headers=SHOP)).json()["paused"]
    return paused and str(paused["by"])


async def test_an_alert_pauses_a_workflow_and_its_end_resumes_it(
    api: httpx.AsyncClient, acting: Acting, orchestrator: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await import_exists(orchestrator)
    await tell(api, alert("Flood"))
    await acting()
    while_firing = await paused_by(orchestrator)
    await tell(api, resolved("Flood"))
    await acting()
    within_hold = await paused_by(orchestrator)
    await hold_is_over(pool)
    await acting()

    assert while_firing == within_hold == "alertmanager production"
    assert await paused_by(orchestrator) is None
    events = (await orchestrator.get(WORKFLOW, headers=SHOP)).json()["events"]
    told = [(event["action"], event["by"], event["reason"]) for event in events]
    assert told == [
        ("resumed", "alertmanager production", "alert Flood is resolved"),
        ("paused", "alertmanager production", "alert Flood is firing"),
    ]
    assert await audit(api) == [("ended", "undone")]


@pytest.mark.parametrize("when", ["before", "since"])
async def test_a_workflow_that_a_person_paused_stays_so(
    api: httpx.AsyncClient, acting: Acting, orchestrator: httpx.AsyncClient, pool: asyncpg.Pool, when: str
) -> None:
    await import_exists(orchestrator)
    await tell(api, alert("Flood"))
    if when == "since":
        await acting()
        await orchestrator.post(f"{WORKFLOW}/resume", json={"by": "ada"}, headers=SHOP)
    await orchestrator.post(f"{WORKFLOW}/pause", json={"by": "ada", "reason": "mine"}, headers=SHOP)
    await acting()
    await tell(api, resolved("Flood"))
    await hold_is_over(pool)
    await acting()

    assert await paused_by(orchestrator) == "ada"
    assert await audit(api) == [("ended", "left")]


async def test_an_alert_resumes_a_workflow_and_its_end_pauses_it(
    api: httpx.AsyncClient, acting: Acting, orchestrator: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await import_exists(orchestrator)
    await orchestrator.post(f"{WORKFLOW}/pause", json={"by": "ada"}, headers=SHOP)
    await tell(api, alert("Calm"))
    await acting()
    while_firing = await paused_by(orchestrator)
    await tell(api, resolved("Calm"))
    await hold_is_over(pool)
    await acting()

    assert while_firing is None
    assert await paused_by(orchestrator) == "alertmanager production"


async def test_a_rule_may_be_newer_than_its_alert(
    api: httpx.AsyncClient, acting: Acting, orchestrator: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await tell(api, alert("LlmDown"))
    await pool.execute("delete from alert_wish")  # as if there had been no rule
    await tell(api, alert("LlmDown"))
    await acting()

    assert (await breaker(orchestrator))[0] == "open"


async def test_what_is_old_is_forgotten_and_what_fires_is_not(
    api: httpx.AsyncClient, acting: Acting, pool: asyncpg.Pool
) -> None:
    await tell(api, alert("Old"), resolved("LlmDown"))
    await tell(api, alert("StillTold"))
    await pool.execute(
        "update alert set published_at = now(), received_at = received_at - interval '31 days'"
    )
    await pool.execute("update alert_group set received_at = received_at - interval '31 days'")
    await pool.execute("update alert set heard_at = heard_at - interval '31 days' where name <> 'StillTold'")
    await Retention(Alerts(pool))()

    assert [each["name"] for each in (await api.get("/alerts")).json()["items"]] == ["StillTold"]
    assert await pool.fetchval("select count(*) from alert_group") == 1


async def test_an_alert_that_nobody_tells_of_for_a_month_is_over(
    api: httpx.AsyncClient, acting: Acting, orchestrator: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await tell(api, alert("LlmDown"))
    await acting()
    await pool.execute("update alert set published_at = now(), heard_at = heard_at - interval '31 days'")
    await pool.execute("update alert_wish set due_at = due_at - interval '31 days'")
    await Retention(Alerts(pool))()
    await acting()

    assert (await breaker(orchestrator))[0] == "closed"


ACTION = Action(
    id=1, project="p", verb=Verb.OPEN_BREAKER, target="t", source="s", alert="a", undo=False, tries=1
)


def test_a_breaker_that_opened_by_itself_is_held_open() -> None:
    assert rule_on(ACTION, Seen(as_done=True, as_undone=False, by="penstock")).change


def test_a_breaker_that_was_closed_already_is_left() -> None:
    closing = Action(
        id=1, project="p", verb=Verb.CLOSE_BREAKER, target="t", source="s", alert="a", undo=False, tries=1
    )

    assert rule_on(closing, Seen(as_done=True, as_undone=False, by="penstock")).outcome is Outcome.LEFT
