-- Schedules: one row for each of a workflow's latest version, and one for each tick that has come.

create table schedule (
  project text not null,
  workflow text not null,
  name text not null,
  workflow_version integer not null, -- the latest: what its ticks start
  cron text not null,
  timezone text not null,
  overlap text not null check (overlap in ('skip', 'queue', 'allow', 'cancel_previous')),
  catch_up text not null check (catch_up in ('none', 'one', 'all')),
  input json,
  paused boolean not null default false,
  paused_by text, -- who paused or resumed it last
  paused_at timestamptz,
  next_at timestamptz not null,
  last_tick timestamptz,
  taken_until timestamptz, -- an orchestrator works on it; when the moment has passed, another may
  taken_by uuid, -- the sweep that took it last
  primary key (project, workflow, name),
  foreign key (project, workflow) references workflow (project, name) on delete cascade,
  constraint schedule_paused_by_somebody check (not paused or (paused_by is not null and paused_at is not null)),
  constraint schedule_taken_by_somebody check (taken_until is null or taken_by is not null)
);

create index schedule_next on schedule (next_at) where not paused;

-- The key makes it one tick whoever fires, and the idempotency key that is made of it one run.
-- due: not decided or not started yet · queued: waits for an earlier run · the others are final.
create table schedule_tick (
  project text not null,
  workflow text not null,
  name text not null,
  moment timestamptz not null,
  outcome text not null check (outcome in ('due', 'queued', 'started', 'skipped', 'missed', 'refused')),
  run_id uuid,
  open boolean not null default false, -- its run is not known to have ended
  reason text,
  by text, -- who asked for it; null: the schedule itself
  at timestamptz not null default now(),
  primary key (project, workflow, name, moment),
  constraint schedule_tick_started_has_run check ((outcome = 'started') = (run_id is not null)),
  constraint schedule_tick_open_has_run check (not open or run_id is not null)
);

create index schedule_tick_undecided on schedule_tick (project, workflow, name) where outcome in ('due', 'queued');
create index schedule_tick_open on schedule_tick (project, workflow, name) where open;
