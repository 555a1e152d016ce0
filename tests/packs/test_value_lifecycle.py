"""The workflows of the pack value-lifecycle through the public API, judged by the records that they leave."""

import io
import json
import shutil
import tarfile
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from value_lifecycle.audit import digest_of
from value_lifecycle.book import STORE
from value_lifecycle.records import RECORDS

from tests.e2e.conftest import Api, states
from tests.model_server import ModelServer
from tests.packs.conftest import apply
from tests.packs.value_program import MEASUREMENTS, NORTHWIND, PACK
from tests.stack import Stack

TABLES = [kind.TABLE for kind in RECORDS]
Json = Any

# All five commitments of the sample on their way: nothing to intervene for.
ON_THEIR_WAY = """account,metric,date,value
fir-energy,adoption-rate,2026-09-30,44.0
fir-energy,churn-rate,2026-09-30,9.0
hazel-motors,churn-rate,2026-09-30,8.9
fir-energy,onboarding-days,2026-09-30,32.0
cedar-foods,adoption-rate,2026-09-30,59.0
"""
WRONG_RULES = "rules:\n- {id: broken, title: Broken, table: nothing, require: {a: {is: 1}}}\n"


@pytest.fixture(scope="module")
async def value(pack_stack: Stack) -> AsyncIterator[Api]:
    """The API of a Penstock that has the pack."""
    async with httpx.AsyncClient(base_url=pack_stack.url, timeout=90) as client:
        packs = Api(client)
        store = await client.put(
            f"/api/v1/stores/{STORE}",
            content=(PACK / "store.yaml").read_bytes(),
            headers={"content-type": "application/yaml"},
        )
        assert store.status_code in (200, 201), store.text
        await apply(packs, *sorted(PACK.glob("*-v1.yaml")))
        yield packs


@pytest.fixture(scope="module")
async def northwind(value: Api) -> str:
    """The sample's artifact."""
    return await folder(value, NORTHWIND)


@pytest.fixture(scope="module")
async def approved(value: Api, northwind: str) -> Json:
    """The discovery and the commitment of program `approved`, whose five targets a person has approved.

    Tests share it: each leaves its commitments and what they stand on as they are.
    """
    found = await succeeded(value, "opportunity-discovery-v1", program="approved", data=northwind)
    run = await value.start("target-value-commit-v1", {"program": "approved", "auto_approve_below": 500_000})
    await value.until_node(run, "sign-off", "suspended")
    assert await rows(value, "commitments", "approved") == {}
    await value.post(f"/runs/{run}/nodes/sign-off/approve", by="ada", comment="go on")
    return found, await value.ended(run)


async def folder(api: Api, path: Path) -> str:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(path, arcname=".")
    return f"{await file(api, archive.getvalue())}/{path.name}/"


async def file(api: Api, content: bytes, name: str = "") -> str:
    answer = await api.client.post("/api/v1/artifacts", content=content)
    assert answer.status_code == 201, answer.text
    return f"artifact://{answer.json()['sha256']}" + (f"/{name}" if name else "")


async def read(api: Api, uri: str) -> str:
    sha256 = uri.removeprefix("artifact://").split("/")[0]
    return (await api.client.get(f"/api/v1/artifacts/{sha256}")).text


async def succeeded(api: Api, workflow: str, **given: Json) -> Json:
    run = await api.ended(await api.start(workflow, given))
    assert run["state"] == "succeeded", run["failure"]
    return run


async def rows(api: Api, table: str, program: str) -> dict[str, Json]:
    """By key, without the program."""
    page = await api.get(f"/stores/{STORE}/{table}", where=f"program={program}", limit=200)
    assert page["next"] is None
    return {row["key"].removeprefix(f"{program}:"): row["value"] for row in page["items"]}


async def everything(api: Api, program: str) -> dict[str, dict[str, Json]]:
    return {table: await rows(api, table, program) for table in TABLES}


async def kinds(api: Api, run: str, kind: str) -> list[str]:
    """The nodes of which the timeline tells this, in its order."""
    return [event["node"] for event in await api.events(run) if event["kind"] == kind]


async def test_from_data_to_commitments_that_a_person_approves(value: Api, approved: Json) -> None:
    found, ended = approved

    assert found["output"]["selected"] == 5
    assert (ended["output"]["commitments"], ended["output"]["approved_by"]) == (5, "ada")
    promised = await rows(value, "commitments", "approved")
    churn = promised["fir-energy:churn-rate"]
    # 60 % of the gap of 6.3333 in half a year; a point of churn is 0.4 % of a revenue of 18.5 million.
    assert (churn["baseline"], churn["target"], churn["due"]) == (12.4, 8.6, "2026-12-30")
    assert churn["value"] == pytest.approx(0.6 * 6.3333 * 0.004 * 18_500_000, abs=5)
    assert {one["approved_as"] for one in promised.values()} == {"person"}
    assert ended["output"]["value"] == pytest.approx(sum(one["value"] for one in promised.values()))
    plans = await rows(value, "plans", "approved")
    assert plans["fir-energy:churn-rate"]["dates"][0] == "2026-07-30"
    found_rows = await rows(value, "opportunities", "approved")
    assert sum(one["status"] == "committed" for one in found_rows.values()) == 5


async def test_after_a_no_nothing_is_left(value: Api, northwind: str) -> None:
    await succeeded(value, "opportunity-discovery-v1", program="refused", data=northwind)
    before = await everything(value, "refused")

    run = await value.start("target-value-commit-v1", {"program": "refused"})
    await value.until_node(run, "sign-off", "suspended")
    await value.post(f"/runs/{run}/nodes/sign-off/reject", by="ada", comment="too much")
    ended = await value.ended(run)

    assert (ended["state"], states(ended)["value-commitment"]) == ("compensated", "cancelled")
    assert await everything(value, "refused") == before


async def test_interventions_are_planned_only_where_targets_are_missed_and_a_model_tells_of_it(
    value: Api, approved: Json, model_server: ModelServer
) -> None:
    told = "Of 783,551 a year, 21,554 is realized; Fir Energy needs a decision."
    model_server.on(lambda request: told if "at-risk" in request.everything else "")
    late = await succeeded(
        value,
        "realization-tracking-v1",
        program="approved",
        measurements=await file(value, MEASUREMENTS.read_bytes(), "measurements.csv"),
    )
    assert late["output"]["statuses"] == {
        "cedar-foods:adoption-rate": "achieved",
        "fir-energy:adoption-rate": "on-track",
        "fir-energy:churn-rate": "at-risk",
        "fir-energy:onboarding-days": "at-risk",
        "hazel-motors:churn-rate": "on-track",
    }
    assert (late["output"]["accepted"], len(late["output"]["rejected"])) == (15, 3)
    planned = await rows(value, "interventions", "approved")
    assert {key: one["cause"] for key, one in planned.items()} == {
        "fir-energy:churn-rate": "it stands still: what changed is within the noise",
        "fir-energy:onboarding-days": "it becomes worse",
    }
    page = await read(value, late["output"]["report"])
    assert told in page
    assert late["output"]["summary_by"] == "default"
    assert (await rows(value, "reports", "approved"))["value:2026-09-30"]["narrative"] == "default"

    model_server.on(lambda request: "We shall make 9,999,999 a year.")
    well = await succeeded(
        value,
        "realization-tracking-v1",
        program="approved",
        measurements=await file(value, ON_THEIR_WAY.encode(), "september.csv"),
    )
    assert states(well)["intervention-planning"] == "skipped"
    assert (well["output"]["behind"], well["output"]["interventions"]) == (0, [])
    page = await read(value, well["output"]["report"])
    assert well["output"]["summary_by"] == "template"  # a model is held to the facts
    assert "9999999" in page  # the page says why the model's text was not used
    assert "We shall make" not in page


async def test_a_late_failure_undoes_every_stage_and_leaves_the_store_as_it_was(
    value: Api, approved: Json, northwind: str
) -> None:
    before = await everything(value, "approved")
    assert sum(map(len, before.values())) > 60

    run = await value.ended(
        await value.start(
            "complete-value-lifecycle-v1",
            {
                "program": "approved",
                "data": northwind,
                "measurements": await file(value, MEASUREMENTS.read_bytes(), "measurements.csv"),
                "rules": await file(value, WRONG_RULES.encode(), "rules.yaml"),
                "auto_approve_below": 1e9,
                "summary": "template",
            },
        )
    )

    assert run["state"] == "compensated", run["failure"]
    assert "rules[0].table" in run["failure"]["message"]
    assert states(run)["integrity"] == "failed"
    assert await kinds(value, run["id"], "node.compensated") == [
        "expansion",
        "realization",
        "commit",
        "discovery",
    ]
    assert await everything(value, "approved") == before


async def test_a_whole_lifecycle_is_certified_and_undone_on_request_each_stage_once(
    value: Api, northwind: str
) -> None:
    given = {
        "program": "whole",
        "data": northwind,
        "measurements": await file(value, ON_THEIR_WAY.encode(), "september.csv"),
        "summary": "template",
    }
    run = await value.start("complete-value-lifecycle-v1", given)
    await value.until_node(run, "sign-off", "suspended")
    await value.post(f"/runs/{run}/nodes/sign-off/approve", by="ada")
    ended = await value.ended(run)

    assert ended["state"] == "succeeded", ended["failure"]
    assert (ended["output"]["certified"], ended["output"]["approved_by"]) == (True, "ada")
    left = await everything(value, "whole")
    certificate = json.loads(await read(value, ended["output"]["certificate"]))
    for table in ("commitments", "measurements", "cases"):
        digests = {f"whole:{key}": digest_of(row) for key, row in left[table].items()}
        assert certificate["digests"][table] == digests
    assert left["cases"]
    chosen = [one for one in left["cases"].values() if one["chosen"]]
    assert sum(one["cost"] for one in chosen) <= 500_000
    assert len(ended["output"]["roadmap"]) == len(chosen)

    again = await succeeded(value, "integrity-controls-v1", program="whole")
    assert again["output"]["certified"]
    assert await everything(value, "whole") == left  # nothing has changed, so nothing is written again
    children = {child["node"]: child["run"] for child in ended["children"]}
    await value.post(f"/runs/{run}/compensate", by="ada", reason="a rehearsal")
    undone = await value.until_run(run, "compensated")

    assert await kinds(value, run, "node.compensated") == [
        "integrity", "expansion", "realization", "commit", "discovery",
    ]  # fmt: skip
    assert await kinds(value, children["realization"], "node.compensated") == [
        "stakeholder-reporting", "performance-analysis", "data-collection",
    ]  # fmt: skip
    assert states(undone)["sign-off"] == "succeeded"
    assert await everything(value, "whole") == {table: {} for table in TABLES}


async def test_targets_are_defined_while_the_controls_are_set_up_and_below_the_limit_nobody_is_asked(
    value: Api, northwind: str
) -> None:
    run = await succeeded(
        value,
        "parallel-value-lifecycle-v1",
        program="parallel",
        data=northwind,
        auto_approve_below=1e9,
        summary="template",
    )

    moments: dict[tuple[str, str], datetime] = {}
    for event in await value.events(run["id"]):
        if event["kind"] in ("node.started", "node.succeeded"):
            moments[event["node"], event["kind"]] = datetime.fromisoformat(event["at"])
    begun = [moments[name, "node.started"] for name in ("target-definition", "integrity-setup")]
    done = [moments[name, "node.succeeded"] for name in ("target-definition", "integrity-setup")]
    assert max(begun) < min(done)
    assert moments["realization", "node.started"] >= max(done)
    assert run["output"]["commitments"] == 5
    assert run["output"]["statuses"]["fir-energy:churn-rate"] == "not-due"
    assert len(await rows(value, "controls", "parallel")) == run["output"]["controls"]
    assert states(run)["sign-off"] == "skipped"
    promised = await rows(value, "commitments", "parallel")
    assert {one["approved_as"] for one in promised.values()} == {"below-limit"}


async def test_what_somebody_changes_by_hand_is_found_and_not_certified(value: Api, approved: Json) -> None:
    sound = await succeeded(value, "integrity-controls-v1", program="approved")
    assert sound["output"]["certified"], sound["output"]

    where = f"/api/v1/stores/{STORE}/commitments/approved:fir-energy:churn-rate"
    row = (await value.client.get(where)).json()["value"]
    changed = await value.client.put(where, json={"value": {**row, "target": 11.9}, "by": "mallory"})
    assert changed.is_success, changed.text
    forged = await succeeded(value, "integrity-controls-v1", program="approved")
    restored = await value.client.put(where, json={"value": row, "by": "ada"})
    assert restored.is_success, restored.text

    assert (forged["output"]["certified"], states(forged)["certification"]) == (False, "skipped")
    assert "the terms do not match their digest" in [one["message"] for one in forged["output"]["integrity"]]
    assert forged["output"]["trail"]["added"] == 1


async def test_what_is_committed_cannot_be_taken_out_of_the_data(
    value: Api, approved: Json, tmp_path: Path
) -> None:
    shutil.copytree(NORTHWIND, tmp_path, dirs_exist_ok=True)
    for name in ("accounts.csv", "history.csv"):
        lines = (tmp_path / name).read_text().splitlines(keepends=True)
        (tmp_path / name).write_text("".join(line for line in lines if not line.startswith("fir-energy")))

    given = {"program": "approved", "data": await folder(value, tmp_path)}
    run = await value.ended(await value.start("opportunity-discovery-v1", given))

    assert run["state"] == "failed"
    assert "accounts.csv: lacks 'fir-energy'" in run["failure"]["message"]


async def test_the_undoing_of_a_stage_takes_back_what_the_next_one_left(value: Api, approved: Json) -> None:
    """The next stage has written, and nothing of its own undoes it: as if it had failed after its write."""
    before = await everything(value, "approved")

    def stage(name: str, **more: Json) -> Json:
        keys = {key: more.pop(key) for key in ("needs", "compensate") if key in more}
        given = {"stage": name, "program": "approved", **more}
        return {"agent": "value-integrity", "with": given, "retry": "none", **keys}

    run = await value.run(
        {
            "name": "written-and-failed",
            "on_failure": "compensate",
            "nodes": {
                "rules": stage(
                    "compliance-verification",
                    compensate={"agent": "value-undo", "with": {"stages": ["rules", "trail"]}},
                ),
                "trail": stage("audit-trail", needs=["rules"]),
                "last": stage("certification", needs=["trail"], as_of="2026-06-30", head="0" * 64),
            },
        }
    )

    assert run["state"] == "compensated", run["failure"]
    assert "have changed since their audit" in run["failure"]["message"]
    assert await everything(value, "approved") == before


async def test_a_stage_begins_from_what_the_one_before_has_left_whatever_an_attempt_had_written(
    value: Api,
) -> None:
    given = {"program": "probed", "rows": 3, "lost_attempts": 1}
    node = {"agent": "value-probe", "with": given, "retry": {"attempts": 2, "delay": "0s"}}

    run = await value.run({"name": "probed", "nodes": {"probe": node}, "output": "${{ nodes.probe.output }}"})

    assert (run["state"], run["output"]) == ("succeeded", {"found": 0})
    assert [*await rows(value, "accounts", "probed")] == ["a00000", "a00001", "a00002"]


async def test_of_more_rows_than_one_write_takes_all_are_there_or_none(value: Api) -> None:
    def probing(**more: Json) -> Json:
        return {"agent": "value-probe", "with": {"program": "many", "rows": 1_002, **more}, "retry": "none"}

    run = await value.run({"name": "too-many", "nodes": {"probe": probing(wrong_last=True)}})
    assert "revenue" in run["failure"]["message"]
    assert await rows(value, "accounts", "many") == {}

    assert (await value.run({"name": "many", "nodes": {"probe": probing()}}))["state"] == "succeeded"
    last = await value.client.get(f"/api/v1/stores/{STORE}/accounts/many:a01001")
    assert last.json()["value"]["title"] == "a01001"


async def test_a_stage_waits_while_its_breaker_is_open_and_says_then_what_it_lacks(
    value: Api, approved: Json
) -> None:
    breaker = "/breakers/workflow/target-value-commit-v1/kpi-target-definition"
    await value.post(f"{breaker}/open", by="ada", reason="maintenance")
    run = await value.start("target-value-commit-v1", {"program": "empty"})
    await value.until_node(run, "kpi-target-definition", "suspended")
    explained = json.dumps(await value.get(f"/runs/{run}/explain"))
    assert "breaker 'workflow/target-value-commit-v1/kpi-target-definition' is open" in explained

    await value.post(f"{breaker}/reset", by="ada", reason="it is over")

    ended = await value.ended(run)
    assert (ended["state"], ended["failure"]["error_class"]) == ("failed", "validation")
    assert "opportunity-discovery-v1" in ended["failure"]["message"]  # says what to run first
