"""Every metric is declared once, set by the service that the page names, and documented."""

import ast
import re
from pathlib import Path

import pytest

from penstock.telemetry.documentation import declared, page
from penstock.telemetry.exemplar import exemplar_of
from penstock.telemetry.exporters import NOTIFIER, ORCHESTRATOR, RUNNER, SERVICES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "telemetry.md"
SOURCES = {
    ORCHESTRATOR: ROOT / "services" / "orchestrator",
    RUNNER: ROOT / "services" / "agent-runner",
    NOTIFIER: ROOT / "services" / "notifier",
    "shared": ROOT / "shared" / "penstock",
}
OPENS_CONNECTIONS = {"database.py"}
IDS = {"id", "run", "run_id", "attempt", "node", "runner", "token", "trace_id", "request_id"}


def test_the_page_of_metrics_is_current() -> None:
    assert PAGE.read_text() == page(), (
        "write it again: python -m penstock.telemetry.documentation > docs/telemetry.md"
    )


def test_every_metric_is_set_by_a_service_that_exports_it_and_by_no_other() -> None:
    used = {service: _used_in(folder) for service, folder in SOURCES.items()}
    exporters = {metric.constant: metric.exporters for metric in declared()}

    unset = {
        constant
        for constant, services in exporters.items()
        if not any(constant in used[service] for service in (*services, "shared"))
    }
    lost = {
        (service, constant)
        for service in SERVICES
        for constant in used[service]
        if service not in exporters[constant]
    }

    assert not unset, f"declared and set nowhere: {sorted(unset)}"
    assert not lost, f"set by a service that does not export them, see telemetry/exporters.py: {sorted(lost)}"


def _used_in(folder: Path) -> set[str]:
    files = (file for file in folder.rglob("*.py") if file.name != "metrics.py")
    return {name for file in files for name in re.findall(r"\bmetrics\.([A-Z][A-Z_]+)\b", file.read_text())}


def test_every_operation_of_the_store_is_measured() -> None:
    """Of what only composes others, or answers from memory, nothing is asked: it is a method, or says so."""
    unmeasured = [
        f"{path.name}:{function.lineno} {function.name}"
        for path in (ROOT / "services/orchestrator/orchestrator/store").glob("*.py")
        for function in ast.parse(path.read_text()).body
        if isinstance(function, ast.AsyncFunctionDef)
        and not function.name.startswith("_")
        and not function.decorator_list
        and not any(isinstance(part, ast.Yield) for part in ast.walk(function))
        and path.name not in OPENS_CONNECTIONS
    ]

    assert not unmeasured, f"write @measured (penstock.telemetry.operations) above them: {unmeasured}"


def test_names_and_labels_keep_the_rules() -> None:
    for metric in declared():
        assert re.fullmatch(r"penstock_[a-z_]+|target_info", metric.name), metric.name
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric.name
        assert not IDS & set(metric.labels), f"{metric.name}: an id is no label"
        if metric.kind == "histogram":
            assert metric.buckets, f"{metric.name}: buckets that fit"
            assert list(metric.buckets) == sorted(metric.buckets)


@pytest.mark.parametrize(
    ("traceparent", "found"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03", True),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02", False),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("nonsense", False),
        (None, False),
    ],
)
def test_a_trace_is_shown_only_if_it_is_sampled(traceparent: str | None, found: bool) -> None:
    shown = {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
    assert exemplar_of(traceparent) == (shown if found else None)
