"""Every limit of Penstock, each a constant with its unit and its reason. A breach is a clear error."""

from datetime import timedelta

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

NODES_PER_WORKFLOW_MAX = 5_000  # a run's state must fit in memory a thousand times over
DEFINITION_BYTES_MAX = 1 * MIB  # one request body
DEFINITION_DEPTH_MAX = 32  # deeper YAML is an attack or a mistake
EXPRESSION_BYTES_MAX = 4 * KIB  # a longer expression belongs in an agent
OUTPUT_BYTES_MAX = 256 * KIB  # a message stays far below the bus's 1 MiB; larger values are artifacts
EVENT_OUTPUT_BYTES_MAX = (
    8 * KIB
)  # of a run, in its last event: a verdict and counts; more is asked for by its id
RUN_INPUT_BYTES_MAX = 256 * KIB
NODE_INPUT_BYTES_MAX = 256 * KIB  # the resolved `with`; it travels in the ready message
MESSAGE_BYTES_MAX = 1 * MIB  # the bus's max_payload
REQUEST_BODY_BYTES_MAX = 1 * MIB
ARTIFACT_BYTES_MAX = 1 * GIB  # streamed, never held in memory
LOG_BYTES_PER_ATTEMPT_MAX = 10 * MIB
LOG_LINE_BYTES_MAX = 16 * KIB  # a longer line is cut, with a mark
ANSWER_BYTES_MAX = 64 * KIB  # the fields of a form that people fill in; they become a node's output
ANSWERS_BYTES_MAX = (
    512 * KIB
)  # all answers to one node's agent: they travel in its ready message, with its input
QUESTION_BYTES_MAX = 32 * KIB  # what an agent asks a person; it stands in the view of its run
QUESTIONS_PER_NODE_MAX = 64  # an agent that asks more often keeps a person from other work
INBOUND_EVENT_BYTES_MAX = 240 * KIB  # with its names it becomes the output of the node that waited for it
INBOUND_EVENTS_PER_REQUEST_MAX = 1_000
CHECKPOINT_BYTES_MAX = 256 * KIB
STORES_MAX = 200  # of a project; more is one store's job
STORE_TABLES_MAX = 100
STORE_ROW_BYTES_MAX = 64 * KIB  # a row is a record; a document is an artifact that the row names
STORE_KEY_CHARS_MAX = 200
STORE_OPERATIONS_MAX = 1_000  # of one write, which is one transaction
STORE_WRITE_BYTES_MAX = 768 * KIB  # with its names it stays below MESSAGE_BYTES_MAX
STORE_PAGE_BYTES_MAX = 256 * KIB  # what a message should carry
STORE_CONDITIONS_MAX = 20  # of one question
STORE_CHOICES_MAX = 200  # of one `in`
PAGE_ROWS_MAX = 200
RETENTION_MIN = timedelta(hours=1)  # shorter, and a run would be gone before anybody looks
RETENTION_MAX = timedelta(days=3650)
ARTIFACT_GRACE = timedelta(days=1)  # a file that was just stored is named only when its run starts
ATTEMPTS_MAX = 100
FOREACH_ITEMS_MAX = 100_000
FOREACH_PARALLEL_DEFAULT = 16  # enough to fill a machine, few enough to leave others room
FOREACH_PARALLEL_MAX = 1_000  # the window of rows that are materialised at once
FOREACH_BYTES_MAX = (
    8 * MIB
)  # the list of items, and the list of their outputs; kept, never put into a message
REPEAT_MAX = 1_000
SUB_WORKFLOW_DEPTH_MAX = 8  # deeper is a recursion by other means
CONCURRENCY_MAX = 10_000
EXECUTION_LIMIT_MAX = 100_000  # of what an operator sets for a project or a pool; above it is none
CONCURRENCY_KEY_CHARS_MAX = 200
TRIGGERS_MAX = 20  # per workflow
CATCH_UP_TICKS_MAX = 100  # an outage of a month must not start a month of runs at once

# Requirement M1. Of one orchestrator: a view costs memory and processor where it is served, and nowhere else.
LIVE_VIEWS_MAX = 1_000
LIVE_VIEWS_PER_WORKFLOW_MAX = 100
LIVE_MESSAGE_BYTES_MAX = 1 * KIB  # what a viewer may say; nobody listens

RESULTS_PER_MESSAGE_MAX = 64  # packing results saves most of the bus's cost; design §6
CLAIMS_PER_REQUEST_MAX = 200
EVENTS_PER_BATCH_MAX = 500  # what one transaction of the engine takes

RUN_TIMEOUT_DEFAULT = timedelta(hours=2)  # requirement M4
RUN_TIMEOUT_MAX = timedelta(days=30)
NODE_TIMEOUT_DEFAULT = timedelta(minutes=10)
LOOK_BACK_DEFAULT = timedelta(minutes=5)
LOOK_BACK_MAX = timedelta(days=7)
CACHE_TTL_MAX = timedelta(days=90)
LEASE = timedelta(seconds=30)  # renewed at a third of it
READY_UNCLAIMED_MAX = timedelta(seconds=30)  # then the ready message is published again
READY_AGE_MAX = 4 * READY_UNCLAIMED_MAX  # by then it has successors: what nobody can run must not pile up
CLAIM_GRACE = timedelta(seconds=5)  # what a lease may outlive the node's timeout by: report and clean-up
