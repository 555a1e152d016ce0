"""System Health: services, their HTTP doors, the engine, the database, the notifier, live views."""

from dashboards_as_code import links
from dashboards_as_code.outward import LIVE, NOTIFIER
from dashboards_as_code.page import (
    Kind,
    Page,
    Panel,
    Query,
    Row,
    lines,
    number,
    quantiles,
    red_below,
    red_from,
)
from dashboards_as_code.promql import growth, present, quantile, rate
from dashboards_as_code.variables import JOB, OF_JOB

_TO_LOGS = (links.to_log_lines("http.internal_error"),)
_ENGINE_LINKS = (links.to_page("Bus and Runners", "penstock-bus"),)

_WELL = Row(
    title="Is it well?",
    panels=(
        number(
            "Services down",
            "Targets that could not be scraped.",
            f"sum(1 - up{{{OF_JOB}}})",
            thresholds=red_from(1),
        ),
        number(
            "Database",
            "1: every service that measures it reaches PostgreSQL.",
            f"min(penstock_database_up{{{OF_JOB}}})",
            thresholds=red_below(1),
        ),
        number(
            "Bus",
            "1: every service reaches NATS.",
            f"min(penstock_bus_up{{{OF_JOB}}})",
            thresholds=red_below(1),
        ),
        number(
            "Answer of the API, p95",
            "Of all calls but long polls.",
            quantile(0.95, "penstock_http_request_duration_seconds", where=OF_JOB),
            unit="s",
            thresholds=red_from(0.5),
        ),
        number(
            "Answers with an error of ours",
            "Share of 5xx in the time shown; that /ready says no is none.",
            (
                "("
                + growth("penstock_http_requests_total", where=f'{OF_JOB}, status=~"5..", route!="/ready"')
                + " or vector(0)) / "
                + growth("penstock_http_requests_total", where=f'{OF_JOB}, route!="/ready"')
            ),
            unit="percentunit",
            thresholds=red_from(0.01),
        ),
        number(
            "Operation of the database, p95",
            "Of all statements of the store.",
            quantile(0.95, "penstock_database_operation_seconds", where=OF_JOB),
            unit="s",
            thresholds=red_from(0.1),
        ),
    ),
)

_HTTP = Row(
    title="Does the API answer?",
    panels=(
        quantiles(
            "Time to answer",
            "A dot is one request: click it for its trace.",
            "penstock_http_request_duration_seconds",
            labels=OF_JOB,
        ),
        Panel(
            title="Time to answer, by route",
            tells="p95 over five minutes.",
            kind=Kind.LINES,
            queries=(
                Query(
                    expr=f"penstock:http_request_duration_seconds:p95_5m{{{OF_JOB}}} >= 0",
                    legend="{{job}} {{route}}",
                ),
            ),
            unit="s",
            links=_TO_LOGS,
        ),
        lines(
            "Requests, by status",
            "4xx are the clients', 5xx are ours.",
            {"{{status}}": rate("penstock_http_requests_total", by="status", where=OF_JOB)},
            unit="reqps",
            areas=True,
            links=_TO_LOGS,
        ),
        lines(
            "Refused and failed requests, by route",
            "4xx and 5xx.",
            {
                "{{method}} {{route}} {{status}}": present(
                    rate(
                        "penstock_http_requests_total",
                        by="method, route, status",
                        where=f'{OF_JOB}, status=~"[45].."',
                    )
                )
            },
            unit="reqps",
            links=_TO_LOGS,
        ),
        lines(
            "Requests that are being answered",
            "What grows does not get its answer.",
            {"{{job}}": f"sum by (job) (penstock_http_requests_in_flight{{{OF_JOB}}})"},
        ),
        lines(
            "Share of 5xx over five minutes",
            "The alert PenstockServerErrors fires above 5 %.",
            {"{{job}}": f"penstock:http_errors:ratio5m{{{OF_JOB}}}"},
            unit="percentunit",
        ),
    ),
)

_DATABASE = Row(
    title="Is it the database?",
    panels=(
        quantiles(
            "Time of an operation",
            "p95 by operation.",
            "penstock_database_operation_seconds",
            labels=OF_JOB,
            by="operation",
        ),
        lines(
            "Operations",
            "In a second.",
            {
                "{{operation}}": present(
                    rate("penstock_database_operation_seconds_count", by="operation", where=OF_JOB)
                )
            },
            unit="ops",
        ),
        lines(
            "Connections",
            "All used for long: the pool is too small, or statements hang.",
            {
                "{{job}} {{state}}": f"sum by (job, state) (penstock_database_connections{{{OF_JOB}}})",
            },
        ),
        lines(
            "Operations that failed",
            "Nothing here is well.",
            {"{{operation}}": rate("penstock_database_errors_total", by="operation", where=OF_JOB)},
            unit="ops",
            links=_TO_LOGS,
        ),
        lines(
            "Database and bus, by service",
            "1 is reached, 0 is not.",
            {
                "{{job}} {{instance}} database": f"penstock_database_up{{{OF_JOB}}}",
                "{{job}} {{instance}} bus": f"penstock_bus_up{{{OF_JOB}}}",
            },
        ),
    ),
)

_ENGINE = Row(
    title="Is it the engine?",
    panels=(
        quantiles("Time of a transaction", "With all that came together.", "penstock_engine_batch_seconds"),
        lines(
            "Events in a transaction",
            "The mean; it grows with the load.",
            {
                "items": (
                    rate("penstock_engine_batch_items_sum")
                    + " / "
                    + rate("penstock_engine_batch_items_count")
                )
            },
            links=_ENGINE_LINKS,
        ),
        lines(
            "Events taken",
            "By kind and how they were taken.",
            {"{{event}} {{outcome}}": rate("penstock_engine_events_total", by="event, outcome")},
            unit="cps",
        ),
        lines(
            "Runs in memory, and those another orchestrator moved on",
            "Many moved on: orchestrators work on the same runs.",
            {
                "in memory": "sum(penstock_engine_cached_runs)",
                "moved on, in a second": rate("penstock_engine_stale_runs_total"),
                "batches refused, in a second": rate("penstock_engine_refused_batches_total"),
            },
        ),
        quantiles("Time of a sweep", "It looks every second.", "penstock_sweep_seconds"),
        lines(
            "What sweeps found due",
            "Timers are normal; what was lost and repaired is not.",
            {"{{what}}": present(rate("penstock_sweep_repairs_total", by="what"))},
            unit="cps",
        ),
    ),
)

_PROCESSES = Row(
    title="Do the processes have room?",
    panels=(
        lines(
            "Processors used",
            "1 is one processor; a Python service can use one.",
            {"{{job}} {{instance}}": f"rate(process_cpu_seconds_total{{{OF_JOB}}}[$__rate_interval])"},
        ),
        lines(
            "Memory",
            "What grows without end is a fault.",
            {"{{job}} {{instance}}": f"process_resident_memory_bytes{{{OF_JOB}}}"},
            unit="bytes",
        ),
        Panel(
            title="What runs",
            tells="Service, version and instance of each target.",
            kind=Kind.TABLE,
            queries=(Query(expr=f"target_info{{{OF_JOB}}}", legend="up"),),
        ),
    ),
)

PAGE = Page(
    uid="penstock-health",
    title="Penstock / System Health",
    tells="Do the services answer? If not, is it HTTP, the database, the engine or the notifier?",
    variables=(JOB,),
    rows=(_WELL, _HTTP, _DATABASE, _ENGINE, NOTIFIER, LIVE, _PROCESSES),
)
