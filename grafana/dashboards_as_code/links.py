"""Ways from a panel to what is behind it: traces, logs, the runs in Penstock, another dashboard.

Grafana fills in `${…}`: a label of the line that was clicked, the value of a cell, the time that is shown.
"""

import json
import re
from urllib.parse import quote

from dashboards_as_code.page import Link

PROMETHEUS, TEMPO, LOKI = "prometheus", "tempo", "loki"  # the uids of the data sources
SERVICES = "orchestrator|agent-runner|notifier"

_GRAFANAS = re.compile(r"\$\{[^}]+\}")


def of_line(label: str) -> str:
    """The value of `label` of the line that was clicked."""
    return f"${{__field.labels.{label}}}"


def of_cell(column: str) -> str:
    """The value in `column` of the row that was clicked."""
    return f"${{__data.fields.{column}}}"


def to_runs(workflow: str, *, state: str = "") -> Link:
    which = f"&state={state}" if state else ""
    title = f"Its {state} runs in Penstock" if state else "Its runs in Penstock"
    return Link(title=title, url=f"${{penstock}}/api/v1/runs?workflow={workflow}{which}")


def to_traces(attribute: str, value: str) -> Link:
    """Traces with a span that has this attribute."""
    query = {"refId": "A", "queryType": "traceql", "query": f'{{ span.{attribute} = "{value}" }}'}
    return Link(title="Traces", url=_explore(TEMPO, query))


def to_logs(field: str, value: str) -> Link:
    """Lines that have this field, over OTLP or as JSON."""
    expr = f'{{service_name=~"{SERVICES}"}} | json | {field}="{value}"'
    return Link(title="Logs", url=_explore(LOKI, {"refId": "A", "expr": expr}))


def to_log_lines(text: str) -> Link:
    """Lines of the services that say this."""
    expr = f'{{service_name=~"{SERVICES}"}} |= "{text}"'
    return Link(title="Logs", url=_explore(LOKI, {"refId": "A", "expr": expr}))


def to_page(title: str, uid: str, **variables: str) -> Link:
    """Another dashboard, at the same time."""
    chosen = "".join(f"&var-{name}={value}" for name, value in variables.items())
    return Link(title=title, url=f"/d/{uid}?${{__url_time_range}}{chosen}")


def of_workflow(value: str) -> tuple[Link, ...]:
    """Everything that is known of the workflow of a line or of a row."""
    return (
        to_runs(value),
        to_runs(value, state="failed"),
        to_traces("penstock.workflow", value),
        to_logs("workflow", value),
        to_page("Its agents", "penstock-agents", workflow=value),
        to_page("Its cost", "penstock-cost", workflow=value),
    )


def _explore(source: str, query: dict[str, str]) -> str:
    """Grafana's Explore with `query`; what Grafana fills in must not be quoted."""
    asked = {**query, "datasource": {"uid": source, "type": source}}
    pane = {
        "datasource": source,
        "queries": [asked],
        "range": {"from": "${__from}", "to": "${__to}"},
    }
    text = json.dumps({"a": pane}, separators=(",", ":"))
    filled = _GRAFANAS.findall(text)
    quoted = [quote(part, safe="") for part in _GRAFANAS.split(text)]
    pairs = zip(quoted, [*filled, ""], strict=True)
    return "/explore?schemaVersion=1&panes=" + "".join(part + then for part, then in pairs)
