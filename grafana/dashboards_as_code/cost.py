"""Cost Tracking: execution minutes, tokens and dollars, by project and workflow."""

from dashboards_as_code import links
from dashboards_as_code.page import Page, Query, Row, lines, number, red_from, table
from dashboards_as_code.promql import growth, rate, ratio
from dashboards_as_code.variables import OF_PROJECT, OF_WORKFLOW, PROJECT, WORKFLOW

_BY_WORKFLOW = links.of_workflow(links.of_line("workflow"))

_WELL = Row(
    title="Is it well?",
    panels=(
        number(
            "Cost of the last day",
            "What is known of it.",
            f"sum(penstock:cost_dollars:increase1d{{{OF_WORKFLOW}}})",
            unit="currencyUSD",
        ),
        number(
            "Share of the budget",
            "Of the project that has used most of its own; alerts fire when it burns too fast and when it is spent.",
            f"max(sum by (project) (penstock:cost_dollars:increase1d{{{OF_PROJECT}}})"
            f" / on (project) max by (project) (penstock_budget_dollars{{{OF_PROJECT}}} > 0))",
            unit="percentunit",
            thresholds=red_from(1),
        ),
        number(
            "Cost of a run",
            "The mean over the time shown.",
            ratio(
                growth("penstock_cost_dollars_total", where=OF_WORKFLOW),
                growth("penstock_runs_ended_total", where=OF_WORKFLOW),
            ),
            unit="currencyUSD",
        ),
        number(
            "Execution minutes of the last day",
            "Time that agents ran.",
            f"sum(penstock:execution_minutes:increase1d{{{OF_WORKFLOW}}})",
            unit="m",
        ),
        number(
            "Tokens",
            "In the time shown, both ways.",
            growth("penstock_llm_tokens_total", where=OF_WORKFLOW),
        ),
        number(
            "Calls without a known price",
            "They are not in the cost: add their model's price.",
            (growth("penstock_cost_unknown_total", where=OF_WORKFLOW) + " or vector(0)"),
            thresholds=red_from(1),
        ),
    ),
)

_WHERE = Row(
    title="If not, which workflow?",
    panels=(
        table(
            "Workflows",
            "In the time shown. Click a workflow for its runs, traces, logs and agents.",
            (
                Query(
                    legend="cost",
                    expr=growth("penstock_cost_dollars_total", by="project, workflow", where=OF_WORKFLOW),
                    unit="currencyUSD",
                ),
                Query(
                    legend="cost of a run",
                    expr=ratio(
                        growth("penstock_cost_dollars_total", by="project, workflow", where=OF_WORKFLOW),
                        growth("penstock_runs_ended_total", by="project, workflow", where=OF_WORKFLOW),
                    ),
                    unit="currencyUSD",
                ),
                Query(
                    legend="execution minutes",
                    expr=growth("penstock_execution_seconds_total", by="project, workflow", where=OF_WORKFLOW)
                    + " / 60",
                    unit="m",
                ),
                Query(
                    legend="tokens",
                    expr=growth("penstock_llm_tokens_total", by="project, workflow", where=OF_WORKFLOW),
                ),
                Query(
                    legend="runs",
                    expr=growth("penstock_runs_ended_total", by="project, workflow", where=OF_WORKFLOW),
                ),
            ),
            links=links.of_workflow(links.of_cell("workflow")),
        ),
        lines(
            "Execution minutes of the last day, by agent",
            "What takes the time.",
            {
                "{{agent}}": f"sum by (agent) (penstock:execution_minutes:increase1d{{{OF_WORKFLOW}}})",
            },
            unit="m",
            width=12,
        ),
        lines(
            "Tokens, by model",
            "In a second, in and out.",
            {
                "{{model}} {{direction}}": rate(
                    "penstock_llm_tokens_total", by="model, direction", where=OF_WORKFLOW
                )
            },
            width=12,
        ),
    ),
)

_SINCE = Row(
    title="Since when?",
    panels=(
        lines(
            "Cost in an hour, by workflow",
            "At the pace of the moment.",
            {
                "{{workflow}}": (
                    rate("penstock_cost_dollars_total", by="workflow", where=OF_WORKFLOW) + " * 3600"
                )
            },
            unit="currencyUSD",
            areas=True,
            links=_BY_WORKFLOW,
        ),
        lines(
            "Cost of the last hour, by kind",
            "llm: what models cost. execution: the agents' minutes, if they have a price.",
            {"{{kind}}": f"sum by (kind) (penstock:cost_dollars:increase1h{{{OF_WORKFLOW}}})"},
            unit="currencyUSD",
            areas=True,
        ),
        lines(
            "Cost of the last day and budget, by project",
            "A day is the last 24 hours.",
            {
                "{{project}}": f"sum by (project) (penstock:cost_dollars:increase1d{{{OF_PROJECT}}})",
                "{{project}}: budget": f"max by (project) (penstock_budget_dollars{{{OF_PROJECT}}})",
            },
            unit="currencyUSD",
        ),
        lines(
            "Execution minutes in an hour, by workflow",
            "60 is one agent at work all the time.",
            {
                "{{workflow}}": (
                    rate("penstock_execution_seconds_total", by="workflow", where=OF_WORKFLOW) + " * 60"
                )
            },
            unit="m",
            width=12,
            areas=True,
            links=_BY_WORKFLOW,
        ),
        lines(
            "Calls without a known price, by model",
            "Nothing here is well.",
            {"{{model}}": rate("penstock_cost_unknown_total", by="model", where=OF_WORKFLOW)},
            unit="cps",
            width=12,
        ),
    ),
)

PAGE = Page(
    uid="penstock-cost",
    title="Penstock / Cost Tracking",
    tells="What do workflows cost, in minutes, tokens and dollars? Does it fit the budget?",
    variables=(PROJECT, WORKFLOW),
    rows=(_WELL, _WHERE, _SINCE),
)
