-- The spine: workflows and their versions, runs, nodes, the timeline (which is the outbox), runners, artifacts, logs.
-- Times are the database's. JSON that agents and authors wrote is `json`: kept as written, also \u0000.

create table workflow (
  project text not null,
  name text not null check (name ~ '^[a-z][a-z0-9-]{0,62}$'),
  active boolean not null default true,
  latest_version integer not null check (latest_version >= 1),
  created_at timestamptz not null default now(),
  primary key (project, name)
);

create table workflow_version (
  project text not null,
  name text not null,
  version integer not null check (version >= 1),
  digest text not null,
  source json not null,
  created_at timestamptz not null default now(),
  primary key (project, name, version),
  foreign key (project, name) references workflow (project, name) on delete cascade
);

create table run (
  id uuid primary key,
  project text not null,
  workflow text not null,
  workflow_version integer not null,
  state text not null check (state in ('running', 'cancelling', 'succeeded', 'failed', 'cancelled')),
  version bigint not null check (version >= 1),
  published bigint not null default 0 check (published between 0 and version),
  settled boolean not null default false, -- ended, and its whole timeline is on the bus
  nodes_total integer not null check (nodes_total >= 1),
  nodes_open integer not null check (nodes_open between 0 and nodes_total),
  input json not null,
  output json,
  failure json,
  cancel_reason text,
  labels jsonb not null default '{}',
  priority smallint not null default 5 check (priority between 1 and 9),
  traceparent text,
  created_at timestamptz not null default now(),
  changed_at timestamptz not null default now(),
  ended_at timestamptz,
  deadline_at timestamptz,
  constraint run_ended_has_moment check ((state in ('succeeded', 'failed', 'cancelled')) = (ended_at is not null)),
  constraint run_ended_has_no_open_node check (state not in ('succeeded', 'failed', 'cancelled') or nodes_open = 0),
  constraint run_ended_has_no_deadline check (ended_at is null or deadline_at is null),
  constraint run_failed_has_failure check (state <> 'failed' or failure is not null)
) with (fillfactor = 70);

create index run_by_project on run (project, created_at desc, id desc);
create index run_by_workflow on run (project, workflow, created_at desc, id desc);
create index run_deadline on run (deadline_at) where deadline_at is not null;
-- Its columns change once in a run's life, so that all other updates of a run stay off the indexes.
create index run_unsettled on run (id) where not settled;

create table idempotency (
  project text not null,
  key text not null check (length(key) between 1 and 200),
  digest text not null,
  run_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (project, key)
);

-- node and run_event have no foreign key: its check would cost each hot insert a query and a row lock.
-- tests/invariants.sql asks the same question.
-- A node has a row from the moment it first leaves `waiting` (the retry of a run may send it back). `wake_at` is the one timer of whatever state it is in:
-- ready: publish again · running: the lease ends · backoff: the retry is due.
create table node (
  run_id uuid not null,
  name text not null,
  state text not null
    check (state in ('waiting', 'ready', 'running', 'backoff', 'succeeded', 'failed', 'skipped', 'cancelled')),
  attempt integer not null check (attempt >= 0),
  first_attempt integer not null default 1 check (first_attempt >= 1),
  token uuid,
  runner text,
  publication integer not null default 0,
  input json,
  output json,
  failure json,
  ready_at timestamptz,
  started_at timestamptz,
  ended_at timestamptz,
  wake_at timestamptz,
  deadline_at timestamptz,
  primary key (run_id, name),
  constraint node_lease_only_while_running check ((state = 'running') = (token is not null)),
  constraint node_running_has_runner check (state <> 'running' or runner is not null),
  constraint node_timer_while_open check ((state in ('ready', 'running', 'backoff')) = (wake_at is not null)),
  constraint node_output_only_on_success check ((state = 'succeeded') = (output is not null)),
  constraint node_failed_has_failure check (state <> 'failed' or failure is not null),
  constraint node_ended_has_moment
    check ((state in ('succeeded', 'failed', 'skipped', 'cancelled')) = (ended_at is not null))
) with (fillfactor = 70);

create index node_wake on node (wake_at) where wake_at is not null;
create index node_running_token on node (token) where token is not null;

create table run_event (
  run_id uuid not null,
  seq bigint not null check (seq >= 1),
  at timestamptz not null,
  kind text not null,
  node text,
  attempt integer,
  data json not null,
  primary key (run_id, seq)
);

create table node_log (
  run_id uuid not null,
  node text not null,
  attempt integer not null,
  line integer not null,
  at timestamptz not null,
  stream text not null,
  text text not null,
  primary key (run_id, node, attempt, line)
);

create table node_checkpoint (
  run_id uuid not null,
  node text not null,
  attempt integer not null,
  value json not null,
  saved_at timestamptz not null default now(),
  primary key (run_id, node)
);

create table node_progress (
  run_id uuid not null,
  node text not null,
  attempt integer not null,
  done double precision not null,
  total double precision,
  message text,
  at timestamptz not null default now(),
  primary key (run_id, node)
);

create table runner (
  id text primary key,
  pool text not null,
  host text not null,
  slots integer not null,
  tier text not null,
  agents json not null,
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  left_at timestamptz
);

create table artifact (
  sha256 text primary key check (sha256 ~ '^[0-9a-f]{64}$'),
  size_bytes bigint not null check (size_bytes >= 0),
  created_at timestamptz not null default now()
);

create table dead_letter (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  subject text not null,
  reason text not null,
  payload bytea not null
);

-- Refuses a whole statement when a conditional write met another state than the one it was decided on.
create function penstock_fence(written bigint, wanted bigint) returns boolean language plpgsql as $$
begin
  if written <> wanted then
    raise exception 'fence: % of % nodes were in the expected attempt', written, wanted using errcode = 'PS001';
  end if;
  return true;
end
$$;

-- The rows of the hot statements' parameters: `unnest` of one array of rows costs a fraction of many arrays.
-- A later migration that needs another column makes a type of another name: the former version still runs.
create type run_write as (
  id uuid,
  expected bigint,
  version bigint,
  state text,
  nodes_open integer,
  output text,
  failure text,
  cancel_reason text,
  timeout interval
);

create type node_write as (
  run_id uuid,
  name text,
  state text,
  attempt integer,
  first_attempt integer,
  token uuid,
  runner text,
  publication integer,
  input text,
  output text,
  failure text,
  wake_in interval,
  deadline_in interval,
  attempt_expected integer,
  token_expected uuid
);

create type event_write as (run_id uuid, seq bigint, kind text, node text, attempt integer, data text);

create type run_start as (
  id uuid,
  project text,
  key text,
  digest text,
  workflow text,
  workflow_version integer,
  latest boolean,
  state text,
  version bigint,
  nodes_total integer,
  nodes_open integer,
  input text,
  output text,
  failure text,
  labels text,
  priority smallint,
  traceparent text,
  timeout interval,
  ended boolean
);
