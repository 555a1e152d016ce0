"""Every query of every dashboard returns data from a Prometheus that scraped a real load."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dashboards_as_code.__main__ import PAGES, write
from dashboards_as_code.links import LOKI, PROMETHEUS, TEMPO
from tests.observe.conftest import TRACE, Observed
from tests.stack import ROOT

pytestmark = pytest.mark.long

FOLDER = ROOT / "grafana/dashboards"
FILLED = {"$__rate_interval": "20s", "$__range": "10m"}


@dataclass(frozen=True)
class Asked:
    page: str
    panel: str
    expr: str
    instant: bool

    def __str__(self) -> str:
        return f"{self.page}: {self.panel}"


def dashboards() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries() -> list[Asked]:
    return [
        Asked(dashboard["uid"], panel["title"], target["expr"], bool(target.get("instant")))
        for dashboard in dashboards()
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]


def filled(query: str) -> str:
    """As Grafana sends it when everything is chosen; what only hides that there is no data is left out."""
    for name, value in FILLED.items():
        query = query.replace(name, value)
    return re.sub(r"\$\w+", ".*", query).replace(" or vector(0)", "")


@pytest.mark.parametrize("asked", queries(), ids=str)
def test_a_panel_shows_data(observed: Observed, asked: Asked) -> None:
    assert observed.series(filled(asked.expr), instant=asked.instant), filled(asked.expr)


@pytest.mark.parametrize("dashboard", dashboards(), ids=lambda dashboard: dashboard["uid"])
def test_a_variable_has_values_to_choose_from(observed: Observed, dashboard: dict[str, Any]) -> None:
    chosen = [each for each in dashboard["templating"]["list"] if each["type"] == "query"]

    assert chosen
    for variable in chosen:
        match = re.fullmatch(r"label_values\((.*), (\w+)\)", filled(variable["query"]))
        assert match, variable["query"]
        assert observed.label_values(match[1], match[2]), variable["query"]


def test_alerts_are_marked_on_the_lines(observed: Observed) -> None:
    """A dead letter fires at once; every page asks for what fires."""
    asked = {each["expr"] for page in dashboards() for each in page["annotations"]["list"]}

    for query in asked:
        assert observed.series(query, instant=False), query


def test_a_point_leads_to_its_trace(observed: Observed) -> None:
    """Panels of durations ask for exemplars, which Grafana turns into links to Tempo."""
    asked = [
        target["expr"]
        for page in dashboards()
        for panel in panels(page)
        for target in panel["targets"]
        if target.get("exemplar")
    ]
    with_trace = ("penstock_run_duration", "penstock_node_duration", "penstock_queue_wait", "penstock_http")

    for metric in with_trace:
        queries_of = [expr for expr in asked if metric in expr]
        assert queries_of, metric
        assert TRACE in observed.traces(filled(queries_of[0])), metric


def test_the_dashboards_are_those_of_the_code(tmp_path: Path) -> None:
    write(tmp_path)

    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_text() for path in FOLDER.glob("*.json")}, "run `make dashboards`"


def test_every_link_between_dashboards_leads_to_one() -> None:
    text = "".join(path.read_text() for path in FOLDER.glob("*.json"))
    uids = {page.uid for page in PAGES}

    assert set(re.findall(r"/d/([\w-]+)", text)) == uids - {"penstock-overview", "penstock-health"}
    assert set(re.findall(r"var-(\w+)=", text)) <= {v.name for page in PAGES for v in page.variables}


def test_every_page_leads_to_traces_or_logs_and_to_the_other_pages() -> None:
    for dashboard in dashboards():
        text = json.dumps(dashboard)

        assert f"%22uid%22%3A%22{LOKI}%22" in text or f"%22uid%22%3A%22{TEMPO}%22" in text, dashboard["uid"]
        assert [link["tags"] for link in dashboard["links"]] == [["penstock"]]
        assert {t["datasource"]["uid"] for p in panels(dashboard) for t in p["targets"]} == {PROMETHEUS}


def test_every_panel_says_what_it_shows() -> None:
    for dashboard in dashboards():
        titles = [panel["title"] for panel in panels(dashboard)]

        assert len(titles) == len(set(titles)), dashboard["uid"]
        assert all(panel["description"] for panel in panels(dashboard))
