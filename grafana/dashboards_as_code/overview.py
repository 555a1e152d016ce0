"""Workflow Overview: do runs succeed, which workflow does not, since when."""

from dashboards_as_code import links
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
    table,
)
from dashboards_as_code.promql import growth, present, quantile, rate, ratio
from dashboards_as_code.variables import OF_PROJECT, OF_WORKFLOW, PROJECT, WORKFLOW

_GOOD = 'outcome="succeeded"'
_COUNTED = 'outcome!="cancelled"'  # who cancels a run wants it to end

_WELL = Row(
    title="Is it well?",
    panels=(
        number(
            "Success ratio",
            "Of the runs that ended in the time shown, cancelled ones left out.",
            ratio(
                growth("penstock_runs_ended_total", where=f"{OF_WORKFLOW}, {_GOOD}"),
                growth("penstock_runs_ended_total", where=f"{OF_WORKFLOW}, {_COUNTED}"),
            ),
            unit="percentunit",
            thresholds=red_below(0.9),
        ),
        number(
            "Runs started",
            "Accepted in a second.",
            rate("penstock_runs_started_total", where=OF_WORKFLOW),
            unit="cps",
        ),
        number(
            "Runs open",
            "Accepted and not ended, as the database has it.",
            f"sum(max by (project, state) (penstock_runs_open{{{OF_PROJECT}}}))",
        ),
        number(
            "Time of a run, p95",
            "From accepted to ended, over the time shown.",
            quantile(0.95, "penstock_run_duration_seconds", where=OF_WORKFLOW),
            unit="s",
        ),
        number(
            "Alerts that fire",
            "0 is well; docs/runbooks has a page for each.",
            'count(ALERTS{alertname=~"Penstock.*", alertstate="firing"}) or vector(0)',
            thresholds=red_from(1),
        ),
        number(
            "Breakers open",
            "What they protect is left alone; nodes wait for them.",
            f"count(max by (project, breaker) (penstock_breaker_state{{{OF_PROJECT}}}) == 2) or vector(0)",
            thresholds=red_from(1),
        ),
    ),
)

_WHERE = Row(
    title="If not, where?",
    panels=(
        table(
            "Workflows",
            "In the time shown. Click a workflow for its runs, traces, logs, agents and cost.",
            (
                Query(
                    legend="started",
                    expr=growth("penstock_runs_started_total", by="project, workflow", where=OF_WORKFLOW),
                ),
                Query(
                    legend="ended",
                    expr=growth("penstock_runs_ended_total", by="project, workflow", where=OF_WORKFLOW),
                ),
                Query(
                    legend="success ratio",
                    expr=ratio(
                        growth(
                            "penstock_runs_ended_total",
                            by="project, workflow",
                            where=f"{OF_WORKFLOW}, {_GOOD}",
                        ),
                        growth(
                            "penstock_runs_ended_total",
                            by="project, workflow",
                            where=f"{OF_WORKFLOW}, {_COUNTED}",
                        ),
                    ),
                    unit="percentunit",
                ),
                Query(
                    legend="time p95",
                    expr=quantile(
                        0.95, "penstock_run_duration_seconds", by="project, workflow", where=OF_WORKFLOW
                    ),
                    unit="s",
                ),
                Query(
                    legend="retries",
                    expr=growth("penstock_retries_total", by="project, workflow", where=OF_WORKFLOW),
                ),
            ),
            links=links.of_workflow(links.of_cell("workflow")),
        ),
        lines(
            "Failed runs, by workflow",
            "Runs that failed or were undone, in a second.",
            {
                "{{workflow}}": present(
                    rate(
                        "penstock_runs_ended_total",
                        by="workflow",
                        where=f'{OF_WORKFLOW}, outcome=~"failed|compensated"',
                    )
                )
            },
            unit="cps",
            links=links.of_workflow(links.of_line("workflow")),
        ),
        lines(
            "Share of failures over 30 minutes",
            "The alert PenstockRunsFail fires above 50 %.",
            {"{{workflow}}": f"penstock:runs_failed:ratio30m{{{OF_WORKFLOW}}}"},
            unit="percentunit",
            links=links.of_workflow(links.of_line("workflow")),
        ),
        lines(
            "Retries, by class of error",
            "What went wrong and is tried again.",
            {"{{error_class}}": rate("penstock_retries_total", by="error_class", where=OF_WORKFLOW)},
            unit="cps",
        ),
    ),
)

_SINCE = Row(
    title="Since when?",
    panels=(
        lines(
            "Runs that ended, by outcome",
            "In a second.",
            {"{{outcome}}": rate("penstock_runs_ended_total", by="outcome", where=OF_WORKFLOW)},
            unit="cps",
            areas=True,
        ),
        quantiles(
            "Time of a run",
            "From accepted to ended. A dot is one run: click it for its trace.",
            "penstock_run_duration_seconds",
            labels=OF_WORKFLOW,
        ),
        lines(
            "Open runs, by state",
            "What grows is not served.",
            {"{{state}}": f"sum by (state) (max by (project, state) (penstock_runs_open{{{OF_PROJECT}}}))"},
            areas=True,
        ),
        lines(
            "Nodes that ended, by outcome",
            "In a second.",
            {"{{outcome}}": rate("penstock_nodes_ended_total", by="outcome", where=OF_WORKFLOW)},
            unit="cps",
            areas=True,
            links=(links.to_page("Agents", "penstock-agents"),),
        ),
        lines(
            "Undone steps",
            "By how the undoing ended; a failed one waits for a person.",
            {"{{outcome}}": rate("penstock_compensations_total", by="outcome", where=OF_WORKFLOW)},
            unit="cps",
        ),
        Panel(
            title="Breakers",
            tells="Closed is well. Half-open: it tries whether the dependency is back.",
            kind=Kind.STATES,
            queries=(
                Query(
                    expr=f"max by (breaker) (penstock_breaker_state{{{OF_PROJECT}}})", legend="{{breaker}}"
                ),
            ),
            texts=("closed", "half-open", "open"),
        ),
    ),
)

_CAUSES = Row(
    title="What starts runs?",
    panels=(
        lines(
            "Triggers",
            "Events and alerts that met a trigger, by what became of them.",
            {"{{outcome}}": rate("penstock_triggers_total", by="outcome", where=OF_WORKFLOW)},
            unit="cps",
        ),
        lines(
            "Ticks of schedules",
            "By what became of them; missed and refused ones need a look.",
            {"{{outcome}}": rate("penstock_schedule_ticks_total", by="outcome")},
            unit="cps",
        ),
        lines(
            "Events from other systems",
            "By what became of them.",
            {"{{outcome}}": rate("penstock_inbox_events_total", by="outcome")},
            unit="cps",
        ),
    ),
)

PAGE = Page(
    uid="penstock-overview",
    title="Penstock / Workflow Overview",
    tells="Do runs succeed? Which workflow does not, and since when?",
    variables=(PROJECT, WORKFLOW),
    rows=(_WELL, _WHERE, _SINCE, _CAUSES),
)
