-- Events start runs: what the latest versions wait for, and what each event did. And workflows that are paused.

-- The event and alert triggers of each workflow's latest version, replaced in the transaction that saves it.
create table event_trigger (
  project text not null,
  workflow text not null,
  name text not null, -- event-1, alert-1: after its place among those of its kind
  type text not null, -- the events that it looks at; of an alert penstock.alert.firing or penstock.alert.resolved
  match json, -- labels that an alert has among others; null: the trigger is about any event
  condition text, -- "${{ … }}"; null: none
  input json, -- the run's input with its expressions; null: {}
  primary key (project, workflow, name),
  foreign key (project, workflow) references workflow (project, name) on delete cascade
);

create index event_trigger_by_type on event_trigger (project, type);

-- What authors have written before triggers started anything.
insert into event_trigger (project, workflow, name, type, match, condition, input)
select
  w.project, w.name, t.kind || '-' || row_number() over (partition by w.project, w.name, t.kind order by t.place),
  case t.kind when 'event' then t.own ->> 'type' else 'penstock.alert.firing' end,
  case t.kind when 'alert' then t.own -> 'match' end, t.own ->> 'if',
  case when json_typeof(t.own -> 'input') <> 'null' then t.own -> 'input' end
from workflow w
join workflow_version v on v.project = w.project and v.name = w.name and v.version = w.latest_version
cross join lateral (
  select k.kind, e.value -> k.kind as own, e.place
  from json_array_elements(
    case when json_typeof(v.source -> 'triggers') = 'array' then v.source -> 'triggers' else '[]'::json end
  ) with ordinality as e (value, place)
  cross join (values ('event'), ('alert')) as k (kind)
  where json_typeof(e.value -> k.kind) = 'object'
) t;

alter table inbound_event add column decided boolean not null default false; -- its reactions are written, once

-- One row for each trigger that an event met: a run is due, was started, or why there is none.
create table event_reaction (
  event_seq bigint not null references inbound_event (seq) on delete cascade,
  workflow text not null,
  trigger text not null,
  outcome text not null check (outcome in ('due', 'started', 'repeated', 'refused', 'failed')),
  reason text,
  run_id uuid,
  key text not null, -- the idempotency key of its run
  input json, -- of the run that is due
  due_at timestamptz, -- when it is to be tried, unless somebody is at it
  at timestamptz not null default now(),
  primary key (event_seq, workflow, trigger),
  constraint event_reaction_due_has_moment check ((outcome = 'due') = (due_at is not null)),
  constraint event_reaction_started_has_run check ((outcome in ('started', 'repeated')) = (run_id is not null))
);

create index event_reaction_due on event_reaction (due_at) where outcome = 'due';

-- The nodes that waited for an event and took it; for people.
create table event_taken (
  event_seq bigint not null references inbound_event (seq) on delete cascade,
  run_id uuid not null,
  node text not null,
  at timestamptz not null default now(),
  primary key (event_seq, run_id, node)
);

-- A paused workflow starts no attempts. `resuming_since`: it was resumed, and some of its runs may still be paused.
alter table workflow
  add column paused_at timestamptz,
  add column paused_by text,
  add column pause_reason text,
  add column resuming_since timestamptz,
  add constraint workflow_pause_is_whole
    check ((paused_at is null) = (paused_by is null) and (paused_at is null) = (pause_reason is null)),
  add constraint workflow_is_paused_or_resuming check (paused_at is null or resuming_since is null);

create index workflow_pausing on workflow (project, name) where paused_at is not null or resuming_since is not null;

create table workflow_event (
  id bigint generated always as identity primary key,
  project text not null,
  workflow text not null,
  at timestamptz not null default now(),
  action text not null check (action in ('paused', 'resumed')),
  by text not null,
  reason text not null,
  foreign key (project, workflow) references workflow (project, name) on delete cascade
);

create index workflow_event_of on workflow_event (project, workflow, id desc);
