-- The whole workflow language: units that wait without a runner, items, undoing, sub-workflows, forks, subjects.
-- New columns have defaults and the former version writes rows that satisfy every new constraint.

alter table run
  add column started_by text,
  add column parent_run uuid, -- the run whose node started this one as a sub-workflow
  add column source_run uuid, -- the run that this one is a fork of
  add column concurrency_key text, -- the slot that it holds, or waits for while it is queued
  add column number bigint, -- counts the runs of its subject (label `subject`)
  add column detail json; -- what only some runs have: pause, undo, pins, the place in the parent

alter table run drop constraint run_state_check;
alter table run add constraint run_state_check check (state in (
  'queued', 'running', 'paused', 'cancelling', 'compensating', 'succeeded', 'failed', 'cancelled', 'compensated'
));
alter table run drop constraint run_ended_has_moment;
alter table run add constraint run_ended_has_moment
  check ((state in ('succeeded', 'failed', 'cancelled', 'compensated')) = (ended_at is not null));
alter table run drop constraint run_ended_has_no_open_node;
alter table run add constraint run_ended_has_no_open_node
  check (state not in ('succeeded', 'failed', 'cancelled', 'compensated') or nodes_open = 0);

create index run_children on run (parent_run) where parent_run is not null;
create index run_forks on run (source_run) where source_run is not null;
create index run_slots on run (project, workflow, concurrency_key, created_at)
  where concurrency_key is not null and ended_at is null;
create unique index run_by_subject on run (project, (labels ->> 'subject'), number) where number is not null;

-- The last number of each subject: the row is the lock under which the next one is given.
create table subject (
  project text not null,
  name text not null,
  last_number bigint not null,
  primary key (project, name)
);

-- A unit is a node of the plan, or a part of one: an item (`patch[17]`) or an undoing (`charge:undo`).
alter table node
  add column part_of text,
  add column detail json,
  add column topic text, -- `<project>/<type>` of the event that it waits for
  add column completed_version bigint, -- the run's version when it succeeded
  add column iteration integer not null default 1 check (iteration >= 1),
  add column previous json, -- the output of the iteration before
  add column output_run uuid; -- the run whose node of this name holds the output (a fork)

-- Undoing goes backwards through the successes, also those of runs that the former version began.
update node n set completed_version = e.seq
from run_event e
where n.state = 'succeeded' and e.run_id = n.run_id and e.node = n.name and e.kind = 'node.succeeded';

alter table node drop constraint node_state_check;
alter table node add constraint node_state_check check (state in (
  'waiting', 'ready', 'running', 'backoff', 'suspended', 'succeeded', 'failed', 'skipped', 'cancelled',
  'compensating', 'compensated', 'compensation_failed'
));
alter table node drop constraint node_lease_only_while_running;
alter table node add constraint node_lease_only_while_running check (token is null or state = 'running');
alter table node drop constraint node_running_has_runner;
alter table node add constraint node_lease_has_runner check (token is null or runner is not null);
alter table node add constraint node_runs_somewhere
  check (state <> 'running' or token is not null or detail is not null);
alter table node add constraint node_suspended_waits_for_something check (state <> 'suspended' or detail is not null);
-- A ready node of a paused run has no timer; nor has a question without a timeout, or a node that waits for its items.
alter table node drop constraint node_timer_while_open;
alter table node add constraint node_timer_while_open
  check (wake_at is null or state in ('ready', 'running', 'backoff', 'suspended'));
alter table node add constraint node_lease_and_backoff_have_timer
  check (wake_at is not null or (token is null and state <> 'backoff'));
alter table node drop constraint node_output_only_on_success;
alter table node add constraint node_output_only_on_success check (
  (state in ('succeeded', 'compensating', 'compensated', 'compensation_failed'))
  = (output is not null or output_run is not null)
);
alter table node drop constraint node_ended_has_moment;
alter table node add constraint node_ended_has_moment check ((state in (
  'succeeded', 'failed', 'skipped', 'cancelled', 'compensating', 'compensated', 'compensation_failed'
)) = (ended_at is not null));

create index node_topic on node (topic) where topic is not null;
create index node_parts on node (run_id, part_of) where part_of is not null;

create table cached_output (
  project text not null,
  agent text not null,
  key text not null, -- the SHA-256 of what the author's expression gave
  output json not null,
  run_id uuid not null,
  node text not null,
  kept_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (project, agent, key)
);
create index cached_output_expiry on cached_output (expires_at);

create type run_write_2 as (
  id uuid,
  expected bigint,
  version bigint,
  state text,
  nodes_open integer,
  output text,
  failure text,
  cancel_reason text,
  detail text,
  timeout interval
);

create type node_write_2 as (
  run_id uuid,
  name text,
  part_of text,
  state text,
  attempt integer,
  first_attempt integer,
  iteration integer,
  token uuid,
  runner text,
  publication integer,
  input text,
  output text,
  output_run uuid,
  previous text,
  failure text,
  detail text,
  topic text,
  completed_version bigint,
  wake_in interval,
  wake_until timestamptz,
  deadline_in interval,
  attempt_expected integer,
  token_expected uuid
);

create type run_start_2 as (
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
  started_by text,
  parent_run uuid,
  source_run uuid,
  concurrency_key text,
  detail text,
  timeout interval,
  ended boolean
);
