"""Bus and Runners: is there a runner for each pool, does work get to it, is anything lost on the way."""

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
from dashboards_as_code.promql import rate
from dashboards_as_code.variables import OF_POOL, OF_PROJECT, POOL, PROJECT

_TO_AGENTS = (links.to_page("Agents", "penstock-agents"),)

_WELL = Row(
    title="Is it well?",
    panels=(
        number(
            "Runners of the smallest pool",
            "0: a pool that is in use has none.",
            f"min(penstock:pool_runners:max{{{OF_POOL}}})",
            thresholds=red_below(1),
        ),
        number(
            "Longest wait for a runner",
            "Age of the attempt that has waited longest.",
            f"max(penstock:ready_oldest_seconds:max{{{OF_POOL}}})",
            unit="s",
            thresholds=red_from(120),
        ),
        number(
            "Slots in use",
            "All for long: add runners.",
            f"1 - sum(penstock_runner_free_slots{{{OF_POOL}}}) / sum(penstock_runner_slots{{{OF_POOL}}})",
            unit="percentunit",
            thresholds=red_from(0.95),
        ),
        number(
            "Relay lag now",
            "Age of the oldest commit that is not on the bus.",
            "max(penstock_relay_lag_seconds)",
            unit="s",
            thresholds=red_from(30),
        ),
        number(
            "Leases that lapsed",
            "In the last ten minutes: runners that were lost while they worked.",
            f"sum(penstock:leases_lapsed:increase10m{{{OF_POOL}}}) or vector(0)",
            thresholds=red_from(3),
        ),
        number(
            "Dead letters lately",
            "In the last ten minutes: messages with which nothing could be done.",
            "sum(penstock:dead_letters:increase10m) or vector(0)",
            thresholds=red_from(1),
        ),
    ),
)

_POOLS = Row(
    title="If not, which pool?",
    panels=(
        table(
            "Pools",
            "As it is now.",
            (
                Query(legend="runners", expr=f"max by (pool) (penstock_pool_runners{{{OF_POOL}}})"),
                Query(legend="slots", expr=f"sum by (pool) (penstock_runner_slots{{{OF_POOL}}})"),
                Query(legend="free slots", expr=f"sum by (pool) (penstock_runner_free_slots{{{OF_POOL}}})"),
                Query(legend="waiting", expr=f"max by (pool) (penstock_ready_nodes{{{OF_POOL}}})"),
                Query(
                    legend="longest wait",
                    expr=f"max by (pool) (penstock_ready_oldest_seconds{{{OF_POOL}}})",
                    unit="s",
                ),
            ),
        ),
        quantiles(
            "From ready to claimed",
            "p95 by pool. A dot is one run: click it for its trace.",
            "penstock_queue_wait_seconds",
            labels=f"{OF_PROJECT}, {OF_POOL}",
            by="pool",
        ),
        lines(
            "From ready to claimed, by project",
            "p95 over five minutes: does a project wait longer than the others?",
            {"{{project}}, {{pool}}": f"penstock:queue_wait_seconds:p95_5m{{{OF_PROJECT}, {OF_POOL}}}"},
            unit="s",
        ),
        lines(
            "Attempts that wait",
            "In the database; offers that wait in memory for their turn.",
            {
                "{{pool}}": f"max by (pool) (penstock_ready_nodes{{{OF_POOL}}})",
                "offers in memory": "sum(penstock_dispatch_waiting_offers)",
            },
        ),
    ),
)

_RUNNERS = Row(
    title="Is it the runners?",
    panels=(
        lines(
            "Runners, by pool",
            "Heard of lately.",
            {"{{pool}}": f"penstock:pool_runners:max{{{OF_POOL}}}"},
        ),
        lines(
            "Slots",
            "Of all runners of a pool.",
            {
                "{{pool}}": f"sum by (pool) (penstock_runner_slots{{{OF_POOL}}})",
                "{{pool}}, free": f"sum by (pool) (penstock_runner_free_slots{{{OF_POOL}}})",
            },
        ),
        lines(
            "Attempts that ended, by outcome",
            "As the runners count.",
            {"{{outcome}}": rate("penstock_runner_attempts_total", by="outcome")},
            unit="cps",
            areas=True,
            links=_TO_AGENTS,
        ),
        lines(
            "Claims, by answer",
            "Refused ones are normal after messages were repeated.",
            {"{{answer}}": rate("penstock_runner_claims_total", by="answer")},
            unit="cps",
        ),
        lines(
            "What was lost or given back",
            "Attempts without a result, leases, renewals without an answer, messages given back.",
            {
                "attempts: {{reason}}": rate("penstock_runner_lost_leases_total", by="reason"),
                "given back: {{reason}}": rate("penstock_runner_returned_messages_total", by="reason"),
                "leases of {{pool}}": rate("penstock_leases_lapsed_total", by="pool", where=OF_POOL),
                "renewals": rate("penstock_runner_unanswered_renewals_total"),
            },
            unit="cps",
            links=(links.to_log_lines("lease"),),
        ),
        Panel(
            title="Sandbox",
            tells="A runner whose sandbox does not hold takes no work.",
            kind=Kind.STATES,
            queries=(
                Query(
                    expr="min by (instance, tier) (penstock_runner_sandbox_holds)",
                    legend="{{instance}} {{tier}}",
                ),
            ),
            texts=("does not hold", "holds"),
        ),
    ),
)

_BUS = Row(
    title="Is it the bus?",
    panels=(
        quantiles(
            "From commit to the bus",
            "Until the bus has acknowledged.",
            "penstock_relay_delay_seconds",
        ),
        lines(
            "Messages",
            "That the relay published, and results that runners did.",
            {
                "relay": rate("penstock_relay_messages_total"),
                "results": rate("penstock_runner_results_total"),
                "runs published again": rate("penstock_relay_repeated_runs_total"),
            },
            unit="cps",
        ),
        lines(
            "Relay lag",
            "The alert PenstockRelayLags fires above 30 s.",
            {"{{instance}}": "max by (instance) (penstock_relay_lag_seconds)"},
            unit="s",
        ),
        lines(
            "Pending, by consumer",
            "Messages that nobody has taken yet.",
            {
                "{{stream}} {{consumer}}": "max by (stream, consumer) (penstock_bus_pending_messages)",
            },
        ),
        lines(
            "Not acknowledged, by consumer",
            "Messages that were taken and are being worked on.",
            {
                "{{stream}} {{consumer}}": "max by (stream, consumer) (penstock_bus_ack_pending_messages)",
            },
        ),
        lines(
            "Size of the streams",
            "Work queues are near zero; EVENTS keeps a week.",
            {"{{stream}}": "max by (stream) (penstock_bus_stream_bytes)"},
            unit="bytes",
        ),
        lines(
            "Messages in the streams",
            "NODES and RESULTS that grow are not served.",
            {"{{stream}}": "max by (stream) (penstock_bus_stream_messages)"},
            width=12,
        ),
        lines(
            "Dead letters",
            "By reason; they stand in the table dead_letter.",
            {"{{reason}}": rate("penstock_dead_letters_total", by="reason")},
            unit="cps",
            width=12,
            links=(links.to_log_lines("dead_letter"),),
        ),
    ),
)

_HELD = Row(
    title="Is it held back on purpose?",
    panels=(
        lines(
            "Claims that had to wait",
            "For a breaker, or for a limit; `penstock runs explain` names which.",
            {
                "breaker": rate("penstock_breaker_refusals_total"),
                "limit": rate("penstock_claims_over_limit_total"),
            },
            unit="cps",
            width=12,
        ),
        lines(
            "Late results, and breakers that changed",
            "A late result came after its lease had ended; it changes nothing.",
            {
                "late results": rate("penstock_results_late_total"),
                "breakers: {{state}}": rate("penstock_breaker_changes_total", by="state"),
            },
            unit="cps",
            width=12,
        ),
    ),
)

PAGE = Page(
    uid="penstock-bus",
    title="Penstock / Bus and Runners",
    tells="Is there a runner for each pool, does work get to it, is anything lost on the way?",
    variables=(PROJECT, POOL),
    rows=(_WELL, _POOLS, _RUNNERS, _BUS, _HELD),
)
