"""Every metric of Penstock: `penstock_<noun>_<unit>[_total]`, base units, few labels, never an id."""

from prometheus_client import Counter, Gauge, Histogram

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_SIZES = (1, 2, 5, 10, 25, 50, 100, 200, 500, 1000)

# The engine
ENGINE_BATCH_ITEMS = Histogram(
    "penstock_engine_batch_items", "Events that one transaction took", buckets=_SIZES
)
ENGINE_BATCH_SECONDS = Histogram("penstock_engine_batch_seconds", "Time of one transaction", buckets=_FAST)
ENGINE_OUTCOMES = Counter("penstock_engine_events_total", "How events were taken", ["event", "outcome"])
ENGINE_STALE = Counter("penstock_engine_stale_runs_total", "Runs that another orchestrator had moved on")
ENGINE_REFUSED = Counter("penstock_engine_refused_batches_total", "Batches that the database refused")
CLAIMS_OVER_LIMIT = Counter("penstock_claims_over_limit_total", "Claims that a limit refused for now")
ENGINE_RUNS_CACHED = Gauge("penstock_engine_cached_runs", "Runs held in memory")
RUNS_STARTED = Counter("penstock_runs_started_total", "Runs accepted", ["workflow"])
RUNS_ENDED = Counter("penstock_runs_ended_total", "Runs that ended", ["workflow", "outcome"])
BREAKER_CHANGES = Counter("penstock_breaker_changes_total", "Breakers that opened, closed …", ["state"])
BREAKER_REFUSALS = Counter("penstock_breaker_refusals_total", "Claims that had to wait for a breaker")

# The relay and the bus
RELAY_MESSAGES = Counter("penstock_relay_messages_total", "Messages that the bus acknowledged")
RELAY_REPEATED = Counter("penstock_relay_repeated_runs_total", "Runs whose events had to be published again")
DISPATCH_WAITING = Gauge("penstock_dispatch_waiting_offers", "Offers that wait in memory for their turn")
DEAD_LETTERS = Counter("penstock_dead_letters_total", "Messages that nothing could be done with", ["reason"])
INBOX_EVENTS = Counter("penstock_inbox_events_total", "Events from other systems", ["outcome"])

# The clock
SWEEP_SECONDS = Histogram("penstock_sweep_seconds", "Time of one sweep", buckets=_FAST)
SWEEP_REPAIRED = Counter("penstock_sweep_repairs_total", "What sweeps found due", ["what"])
SCHEDULE_TICKS = Counter(
    "penstock_schedule_ticks_total", "Ticks of schedules, by what became of them", ["outcome"]
)

# The agent runner
RUNNER_SLOTS = Gauge("penstock_runner_slots", "Attempts that this runner can run at once")
RUNNER_SLOTS_FREE = Gauge("penstock_runner_free_slots", "Slots without an attempt")
RUNNER_ATTEMPTS = Counter("penstock_runner_attempts_total", "Attempts that ended", ["agent", "outcome"])
RUNNER_ATTEMPT_SECONDS = Histogram(
    "penstock_runner_attempt_seconds",
    "Time of one attempt",
    ["agent"],
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1800),
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

# HTTP; `route` is the template (/api/v1/runs/{run_id}), `unmatched` where there is none
HTTP_REQUESTS = Counter("penstock_http_requests_total", "Requests answered", ["method", "route", "status"])
HTTP_SECONDS = Histogram(
    "penstock_http_request_seconds",
    "Time to answer a request; long polls are left out, their time is the client's wish",
    ["method", "route"],
    buckets=_FAST,
)
HTTP_IN_FLIGHT = Gauge("penstock_http_requests_in_flight", "Requests that are being answered")
