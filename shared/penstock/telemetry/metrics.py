"""Every metric of Penstock: `penstock_<noun>_<unit>[_total]`, base units, few labels, never an id.

What authors and users name (project, workflow, agent, pool, model, breaker, source) goes through
`telemetry.labels`, which bounds how many different values a label can have.
"""

from prometheus_client import Counter, Gauge, Histogram, Info

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_WORK = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 1_800, 7_200)  # from a step to the two hours of a run
_SIZES = (1, 2, 5, 10, 25, 50, 100, 200, 500, 1000)

TARGET = Info(
    "target", "The service that is scraped: `service_name`, `service_version`, `service_instance_id`"
)

# Runs and nodes, as the orchestrator commits them. `outcome` is the state in which a run or node ended.
_OF_WORKFLOW = ["project", "workflow"]
RUNS_STARTED = Counter("penstock_runs_started_total", "Runs accepted", _OF_WORKFLOW)
RUNS_ENDED = Counter("penstock_runs_ended_total", "Runs that ended", [*_OF_WORKFLOW, "outcome"])
RUN_SECONDS = Histogram(
    "penstock_run_duration_seconds", "From accepted to ended", [*_OF_WORKFLOW, "outcome"], buckets=_WORK
)
RUNS_OPEN = Gauge("penstock_runs_open", "Runs in the database that have not ended", ["project", "state"])
NODE_SECONDS = Histogram(
    "penstock_node_duration_seconds",
    "From first ready to ended; `agent` is what the node runs: an agent, or workflow, approval, wait",
    [*_OF_WORKFLOW, "agent"],
    buckets=_WORK,
)
NODES_ENDED = Counter("penstock_nodes_ended_total", "Nodes that ended", [*_OF_WORKFLOW, "agent", "outcome"])
QUEUE_WAIT_SECONDS = Histogram(
    "penstock_queue_wait_seconds", "From ready to claimed by a runner", ["project", "pool"], buckets=_WORK
)
READY_NODES = Gauge("penstock_ready_nodes", "Attempts that wait for a runner", ["pool"])
READY_OLDEST_SECONDS = Gauge(
    "penstock_ready_oldest_seconds", "Age of the attempt that has waited longest for a runner", ["pool"]
)
POOL_RUNNERS = Gauge("penstock_pool_runners", "Runners heard of lately, of pools in use", ["pool"])
ATTEMPTS = Counter(
    "penstock_attempts_total",
    "Attempts that ended, by how: succeeded, failed, lapsed (its lease), cancelled",
    [*_OF_WORKFLOW, "agent", "outcome"],
)
RETRIES = Counter(
    "penstock_retries_total", "Failed attempts that are tried again", [*_OF_WORKFLOW, "error_class"]
)
LEASES_LAPSED = Counter("penstock_leases_lapsed_total", "Leases that ended without a result", ["pool"])
RESULTS_LATE = Counter("penstock_results_late_total", "Results of attempts that somebody else had ended")
COMPENSATIONS = Counter("penstock_compensations_total", "Undone steps", [*_OF_WORKFLOW, "outcome"])
EXECUTION_SECONDS = Counter(
    "penstock_execution_seconds_total", "Time that agents ran", [*_OF_WORKFLOW, "agent"]
)
TOKENS = Counter(
    "penstock_llm_tokens_total",
    "Tokens that agents used, `direction` in or out",
    [*_OF_WORKFLOW, "model", "direction"],
)
COST_DOLLARS = Counter(
    "penstock_cost_dollars_total", "What runs cost; `kind` is llm or execution", [*_OF_WORKFLOW, "kind"]
)
COST_UNKNOWN = Counter(
    "penstock_cost_unknown_total", "Model calls of which nobody knows the price", [*_OF_WORKFLOW, "model"]
)
MODEL_CALLS = Counter(
    "penstock_model_calls_total",
    "Calls of models that runners asked for, by verdict: go, replay, refused, park, lost",
    ["verdict"],
)
BUDGET_DOLLARS = Gauge("penstock_budget_dollars", "What a project may cost in a day", ["project"])
BREAKER_STATE = Gauge("penstock_breaker_state", "0 closed, 1 half-open, 2 open", ["project", "breaker"])
BREAKER_CHANGES = Counter("penstock_breaker_changes_total", "Breakers that opened, closed …", ["state"])
BREAKER_REFUSALS = Counter("penstock_breaker_refusals_total", "Claims that had to wait for a breaker")
CLAIMS_OVER_LIMIT = Counter("penstock_claims_over_limit_total", "Claims that a limit refused for now")

# The engine
ENGINE_BATCH_ITEMS = Histogram(
    "penstock_engine_batch_items", "Events that one transaction took", buckets=_SIZES
)
ENGINE_BATCH_SECONDS = Histogram("penstock_engine_batch_seconds", "Time of one transaction", buckets=_FAST)
ENGINE_OUTCOMES = Counter("penstock_engine_events_total", "How events were taken", ["event", "outcome"])
ENGINE_STALE = Counter("penstock_engine_stale_runs_total", "Runs that another orchestrator had moved on")
ENGINE_REFUSED = Counter("penstock_engine_refused_batches_total", "Batches that the database refused")
ENGINE_RUNS_CACHED = Gauge("penstock_engine_cached_runs", "Runs held in memory")

# The relay and the bus
RELAY_MESSAGES = Counter("penstock_relay_messages_total", "Messages that the bus acknowledged")
RELAY_REPEATED = Counter("penstock_relay_repeated_runs_total", "Runs whose events had to be published again")
RELAY_LAG_SECONDS = Gauge("penstock_relay_lag_seconds", "Age of the oldest commit that is not on the bus yet")
RELAY_DELAY_SECONDS = Histogram(
    "penstock_relay_delay_seconds", "From commit to the bus's acknowledgement", buckets=_FAST
)
DISPATCH_WAITING = Gauge("penstock_dispatch_waiting_offers", "Offers that wait in memory for their turn")
DEAD_LETTERS = Counter("penstock_dead_letters_total", "Messages that nothing could be done with", ["reason"])
INBOX_EVENTS = Counter("penstock_inbox_events_total", "Events from other systems", ["outcome"])
TRIGGERS = Counter(
    "penstock_triggers_total", "Events that met a trigger, by what became of it", [*_OF_WORKFLOW, "outcome"]
)
BUS_UP = Gauge("penstock_bus_up", "Whether the bus is connected")
BUS_PENDING = Gauge("penstock_bus_pending_messages", "Messages that no one took yet", ["stream", "consumer"])
BUS_ACK_PENDING = Gauge(
    "penstock_bus_ack_pending_messages", "Messages taken and not acknowledged", ["stream", "consumer"]
)
BUS_STREAM_MESSAGES = Gauge("penstock_bus_stream_messages", "Messages that a stream holds", ["stream"])
BUS_STREAM_BYTES = Gauge("penstock_bus_stream_bytes", "Size of a stream", ["stream"])

# The database
DATABASE_UP = Gauge("penstock_database_up", "Whether the database answers")
DATABASE_SECONDS = Histogram(
    "penstock_database_operation_seconds", "Time of one operation of the store", ["operation"], buckets=_FAST
)
DATABASE_ERRORS = Counter("penstock_database_errors_total", "Operations that failed", ["operation"])
DATABASE_CONNECTIONS = Gauge(
    "penstock_database_connections", "Connections; `state` is used or idle", ["state"]
)

# The clock
SWEEP_SECONDS = Histogram("penstock_sweep_seconds", "Time of one sweep", buckets=_FAST)
SWEEP_REPAIRED = Counter("penstock_sweep_repairs_total", "What sweeps found due", ["what"])
SCHEDULE_TICKS = Counter(
    "penstock_schedule_ticks_total", "Ticks of schedules, by what became of them", ["outcome"]
)

# The agent runner
RUNNER_SLOTS = Gauge("penstock_runner_slots", "Attempts that this runner can run at once", ["pool"])
RUNNER_SLOTS_FREE = Gauge("penstock_runner_free_slots", "Slots without an attempt", ["pool"])
RUNNER_ATTEMPTS = Counter("penstock_runner_attempts_total", "Attempts that ended", ["agent", "outcome"])
RUNNER_ATTEMPT_SECONDS = Histogram(
    "penstock_runner_attempt_seconds", "Time of one attempt", ["agent"], buckets=_WORK
)
RUNNER_CLAIM_TO_START_SECONDS = Histogram(
    "penstock_runner_claim_to_start_seconds",
    "From granted to the agent's first instruction",
    ["reuse"],
    buckets=_FAST,
)
RUNNER_CLAIMS = Counter("penstock_runner_claims_total", "Claims by their answer", ["answer"])
RUNNER_LEASES_LOST = Counter(
    "penstock_runner_lost_leases_total", "Attempts ended without a result", ["reason"]
)
RUNNER_RENEWALS_UNANSWERED = Counter(
    "penstock_runner_unanswered_renewals_total", "Renewals without an answer"
)
RUNNER_RETURNED = Counter("penstock_runner_returned_messages_total", "Ready messages given back", ["reason"])
RUNNER_RESULTS = Counter("penstock_runner_results_total", "Results that the bus acknowledged")
RUNNER_LOG_LINES = Counter("penstock_runner_log_lines_total", "Lines that agents logged", ["outcome"])
RUNNER_ARTIFACT_BYTES = Counter("penstock_runner_artifact_bytes_total", "Artifacts moved", ["direction"])
RUNNER_SANDBOX = Gauge("penstock_runner_sandbox_holds", "Whether the probe found the sandbox tight", ["tier"])
RUNNER_SANDBOX_STARTS = Counter(
    "penstock_runner_sandbox_starts_total", "Sandboxes started", ["tier", "reuse"]
)

LLM_CALLS = Counter(
    "penstock_llm_calls_total",
    "Calls of language models, by how they ended: answered, replayed (from an earlier attempt), failed, broken_off, "
    "abandoned (by the agent), refused or parked (a budget), lost; `model` is the operator's name",
    ["model", "outcome"],
)
LLM_CALL_SECONDS = Histogram(
    "penstock_llm_call_duration_seconds", "Time of a call with all its tries", ["model"], buckets=_WORK
)

# The notifier. `source` is a source of alerts as the configuration names it.
ALERT_PAYLOADS = Counter(
    "penstock_alert_payloads_total", "Webhooks of Alertmanagers, by answer", ["source", "answer"]
)
ALERTS = Counter(
    "penstock_alerts_total", "Alerts, by what was done with them", ["source", "status", "outcome"]
)
ALERT_ACTIONS = Counter(
    "penstock_alert_actions_total", "What alerts did to the engine", ["action", "outcome"]
)
DELIVERIES = Counter(
    "penstock_deliveries_total",
    "Tries to tell somebody, by channel and by how they ended: delivered, failed, dropped",
    ["channel", "outcome"],
)
DELIVERY_SECONDS = Histogram(
    "penstock_delivery_seconds", "Time that the target took", ["channel"], buckets=(*_FAST, 10, 15)
)
DELIVERY_DELAY_SECONDS = Histogram(
    "penstock_delivery_delay_seconds",
    "From an event to its first delivery",
    ["channel"],
    buckets=(*_FAST, 15, 60),
)
DELIVERIES_WAITING = Gauge(
    "penstock_deliveries_waiting", "Deliveries that are due or wait for a retry", ["state"]
)
ENDPOINTS_OPEN = Gauge("penstock_delivery_endpoints_open", "Targets that are left alone for now")

# Live views
SOCKETS = Gauge("penstock_websocket_connections", "Open WebSockets; `view` is run or project", ["view"])
SOCKET_FRAMES = Counter("penstock_websocket_frames_total", "Frames sent")
SOCKETS_CLOSED = Counter("penstock_websocket_closed_total", "WebSockets that ended", ["reason"])
SOCKET_DELAY_SECONDS = Histogram("penstock_websocket_delay_seconds", "From commit to frame", buckets=_FAST)

# Traces
SPANS = Counter(
    "penstock_trace_spans_total",
    "Spans, by what became of them: exported, lost (the collector did not take them), dropped (too many waited)",
    ["outcome"],
)

# HTTP; `route` is the template (/api/v1/runs/{run_id}), `unmatched` where there is none
HTTP_REQUESTS = Counter("penstock_http_requests_total", "Requests answered", ["method", "route", "status"])
HTTP_SECONDS = Histogram(
    "penstock_http_request_duration_seconds",
    "Time to answer a request; long polls are left out, their time is the client's wish",
    ["method", "route"],
    buckets=_FAST,
)
HTTP_IN_FLIGHT = Gauge("penstock_http_requests_in_flight", "Requests that are being answered")
