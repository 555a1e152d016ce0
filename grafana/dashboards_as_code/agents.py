"""Agent Performance: how long agents take, how often they fail, what is tried again."""

from dashboards_as_code import links
from dashboards_as_code.page import Page, Query, Row, lines, number, quantiles, red_below, red_from, table
from dashboards_as_code.promql import growth, moving_quantile, present, quantile, rate, ratio
from dashboards_as_code.variables import AGENT, OF_AGENT, OF_WORKFLOW, PROJECT, WORKFLOW

_ONLY_AGENT = 'agent=~"$agent"'
_BY_AGENT = (
    links.to_traces("penstock.agent", links.of_line("agent")),
    links.to_logs("agent", links.of_line("agent")),
    links.to_page("Runners", "penstock-bus"),
)

_WELL = Row(
    title="Is it well?",
    panels=(
        number(
            "Attempts that succeed",
            "Of those that ended in the time shown.",
            ratio(
                growth("penstock_attempts_total", where=f'{OF_AGENT}, outcome="succeeded"'),
                growth("penstock_attempts_total", where=OF_AGENT),
            ),
            unit="percentunit",
            thresholds=red_below(0.8),
        ),
        number(
            "Attempts",
            "That end in a second.",
            rate("penstock_attempts_total", where=OF_AGENT),
            unit="cps",
        ),
        number(
            "Retries per attempt",
            "How much of the work is done again.",
            ratio(
                growth("penstock_retries_total", where=OF_WORKFLOW),
                growth("penstock_attempts_total", where=OF_WORKFLOW),
            ),
            unit="percentunit",
            thresholds=red_from(0.2),
        ),
        number(
            "Time of a node, p95",
            "From first ready to ended, with waiting and retries.",
            quantile(0.95, "penstock_node_duration_seconds", where=OF_AGENT),
            unit="s",
        ),
        number(
            "Agents at work now",
            "How many run at once, on average.",
            rate("penstock_execution_seconds_total", where=OF_AGENT),
        ),
        number(
            "Claim to start, p95",
            "From granted to the agent's first instruction.",
            quantile(0.95, "penstock_runner_claim_to_start_seconds"),
            unit="s",
            thresholds=red_from(1),
        ),
    ),
)

_WHERE = Row(
    title="If not, which agent?",
    panels=(
        table(
            "Agents",
            "In the time shown.",
            (
                Query(
                    legend="attempts",
                    expr=growth("penstock_attempts_total", by="agent", where=OF_AGENT),
                ),
                Query(
                    legend="failed",
                    expr=growth("penstock_attempts_total", by="agent", where=f'{OF_AGENT}, outcome="failed"'),
                ),
                Query(
                    legend="lapsed",
                    expr=growth("penstock_attempts_total", by="agent", where=f'{OF_AGENT}, outcome="lapsed"'),
                ),
                Query(
                    legend="node p95",
                    expr=quantile(0.95, "penstock_node_duration_seconds", by="agent", where=OF_AGENT),
                    unit="s",
                ),
                Query(
                    legend="attempt p95",
                    expr=quantile(0.95, "penstock_runner_attempt_seconds", by="agent", where=_ONLY_AGENT),
                    unit="s",
                ),
                Query(
                    legend="time at work",
                    expr=growth("penstock_execution_seconds_total", by="agent", where=OF_AGENT),
                    unit="s",
                ),
            ),
            links=(
                links.to_traces("penstock.agent", links.of_cell("agent")),
                links.to_logs("agent", links.of_cell("agent")),
            ),
        ),
        lines(
            "Failed attempts, by agent",
            "In a second.",
            {
                "{{agent}}": present(
                    rate("penstock_attempts_total", by="agent", where=f'{OF_AGENT}, outcome="failed"')
                )
            },
            unit="cps",
            links=_BY_AGENT,
        ),
        lines(
            "Retries, by workflow and class of error",
            "temporary, timeout and network come from outside; the others do not mend themselves.",
            {
                "{{workflow}}: {{error_class}}": present(
                    rate("penstock_retries_total", by="workflow, error_class", where=OF_WORKFLOW)
                )
            },
            unit="cps",
            links=links.of_workflow(links.of_line("workflow")),
        ),
        lines(
            "Attempts, by outcome",
            "lapsed: the runner was lost while it worked.",
            {"{{outcome}}": rate("penstock_attempts_total", by="outcome", where=OF_AGENT)},
            unit="cps",
            areas=True,
        ),
    ),
)

_SINCE = Row(
    title="Since when does it take long?",
    panels=(
        quantiles(
            "Time of a node, by agent",
            "From first ready to ended, with waiting and retries. A dot is one run: click it for its trace.",
            "penstock_node_duration_seconds",
            labels=OF_AGENT,
            by="agent",
            width=12,
            links=_BY_AGENT,
        ),
        quantiles(
            "Time of an attempt, by agent",
            "What the runner measured: sandbox and agent.",
            "penstock_runner_attempt_seconds",
            labels=_ONLY_AGENT,
            by="agent",
            width=12,
            links=_BY_AGENT,
        ),
        quantiles(
            "Claim to start, by reuse",
            "never starts a sandbox for each attempt, fork a warm process, process none.",
            "penstock_runner_claim_to_start_seconds",
            by="reuse",
        ),
        lines(
            "Sandboxes started",
            "By tier and reuse.",
            {"{{tier}}, {{reuse}}": rate("penstock_runner_sandbox_starts_total", by="tier, reuse")},
            unit="cps",
        ),
        lines(
            "Agents at work",
            "How many of each run at once, on average.",
            {"{{agent}}": rate("penstock_execution_seconds_total", by="agent", where=OF_AGENT)},
            areas=True,
        ),
    ),
)

_TRAFFIC = Row(
    title="What do they say and move?",
    panels=(
        lines(
            "Lines that agents log",
            "By what became of them; dropped ones were over a limit.",
            {"{{outcome}}": rate("penstock_runner_log_lines_total", by="outcome")},
            unit="cps",
            width=12,
        ),
        lines(
            "Artifacts moved",
            "Bytes in a second, to and from agents.",
            {"{{direction}}": rate("penstock_runner_artifact_bytes_total", by="direction")},
            unit="Bps",
            width=12,
        ),
    ),
)

_MODELS = Row(
    title="Are language models the reason?",
    panels=(
        lines(
            "Calls of models, by outcome",
            "failed, broken_off: the provider. refused, parked: a budget. replayed: paid for by an earlier attempt.",
            {"{{outcome}}": rate("penstock_llm_calls_total", by="outcome")},
            unit="cps",
            areas=True,
        ),
        lines(
            "Time of a call, p95, by model",
            "With all its tries and fall-backs. The model is the operator's name.",
            {"{{model}}": moving_quantile(0.95, "penstock_llm_call_duration_seconds", by="model")},
            unit="s",
        ),
        lines(
            "What budgets say to calls",
            "go: there is room. replay: nothing to pay. lost: the attempt is another one's by now.",
            {"{{verdict}}": rate("penstock_model_calls_total", by="verdict")},
            unit="cps",
        ),
    ),
)

PAGE = Page(
    uid="penstock-agents",
    title="Penstock / Agent Performance",
    tells="How long do agents take, how often do they fail, and what is tried again?",
    variables=(PROJECT, WORKFLOW, AGENT),
    rows=(_WELL, _WHERE, _SINCE, _MODELS, _TRAFFIC),
)
