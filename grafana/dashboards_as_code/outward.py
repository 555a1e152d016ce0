"""Rows about what leaves Penstock: deliveries, what alerts do, live views."""

from dashboards_as_code import links
from dashboards_as_code.page import Row, lines, quantiles
from dashboards_as_code.promql import rate

NOTIFIER = Row(
    title="Do others hear of it?",
    panels=(
        lines(
            "Deliveries",
            "Tries by channel and how they ended.",
            {"{{channel}} {{outcome}}": rate("penstock_deliveries_total", by="channel, outcome")},
            unit="cps",
            links=(links.to_log_lines("deliver"),),
        ),
        quantiles(
            "From an event to its first delivery",
            "p95 by channel.",
            "penstock_delivery_delay_seconds",
            by="channel",
        ),
        quantiles("Time that targets take", "p95 by channel.", "penstock_delivery_seconds", by="channel"),
        lines(
            "Deliveries that wait",
            "And targets that are left alone because they failed.",
            {
                "{{state}}": "sum by (state) (max by (state) (penstock_deliveries_waiting))",
                "targets left alone": "sum(penstock_delivery_endpoints_open)",
            },
        ),
        lines(
            "Alerts that come in",
            "Webhooks of Alertmanagers by answer, alerts by what was done with them.",
            {
                "webhook {{answer}}": rate("penstock_alert_payloads_total", by="answer"),
                "alert {{status}} {{outcome}}": rate("penstock_alerts_total", by="status, outcome"),
            },
            unit="cps",
        ),
        lines(
            "What alerts did",
            "Breakers and workflows that alerts switched.",
            {"{{action}} {{outcome}}": rate("penstock_alert_actions_total", by="action, outcome")},
            unit="cps",
        ),
    ),
)

LIVE = Row(
    title="Do people see it live?",
    panels=(
        lines(
            "Open WebSockets",
            "At most 1,000 in all and 100 for one workflow.",
            {"{{view}}": "sum by (view) (penstock_websocket_connections)"},
        ),
        lines(
            "Frames, and WebSockets that ended",
            "slow ones are closed with 1013 and come back.",
            {
                "frames": rate("penstock_websocket_frames_total"),
                "ended: {{reason}}": rate("penstock_websocket_closed_total", by="reason"),
            },
            unit="cps",
        ),
        quantiles("From commit to frame", "Below half a second is well.", "penstock_websocket_delay_seconds"),
    ),
)
