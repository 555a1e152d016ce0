-- Calls of language models: each with what it took and what it got, and the budgets that it is charged to.
-- Rows change in this order of locks: calls, then accounts by key; accounts come before runs.

create table model_call (
  call uuid primary key, -- the runner's own id
  run_id uuid not null,
  node text not null,
  attempt integer not null,
  iteration integer not null,
  project text not null,
  workflow text not null,
  workflow_version integer not null,
  agent text not null,
  operation text not null,
  model text not null, -- as the agent asked for it
  fingerprint text not null,
  occurrence bigint not null,
  state text not null check (state in ('open', 'done', 'failed', 'lost', 'replayed')),
  replay_of uuid, -- the call whose reply this one got
  replayed integer not null default 0, -- how many calls got the reply of this one
  accounts text[] not null, -- whom it is charged to
  tokens_reserved bigint not null,
  dollars_reserved numeric, -- null: no price is known
  tokens_charged bigint not null default 0,
  dollars_charged numeric not null default 0,
  provider text,
  model_answered text,
  tokens_in bigint not null default 0,
  tokens_out bigint not null default 0,
  cost_dollars numeric, -- null: unknown, which is not 0
  seconds double precision,
  error text,
  reply json, -- as the runner told it: with the body, or the artifact that has it
  began_at timestamptz not null default now(),
  ended_at timestamptz,
  constraint model_call_ended_has_moment check ((state = 'open') = (ended_at is null)),
  constraint model_call_done_has_reply check ((state = 'done') = (reply is not null)),
  constraint model_call_replayed_is_of_one check ((state = 'replayed') = (replay_of is not null))
);

create index model_call_of_node on model_call (run_id, node, fingerprint, occurrence);
create index model_call_open on model_call (began_at) where state = 'open';

-- What was spent and is reserved, also where nobody has set a limit: one that is set later counts from the beginning.
create table budget_account (
  project text not null,
  key text collate "C" not null, -- run/<id>, workflow/<name>/day/<date>, workflow/<name>/total, project/day/<date>, project/total
  scope text not null check (scope in ('run', 'workflow_day', 'workflow_total', 'project_day', 'project_total')),
  workflow text,
  run_id uuid, -- of a run with its forks: the one that was there first
  day date,
  tokens_spent bigint not null default 0,
  dollars_spent numeric not null default 0,
  unpriced bigint not null default 0, -- calls of which the cost is not known
  tokens_reserved bigint not null default 0 check (tokens_reserved >= 0),
  dollars_reserved numeric not null default 0 check (dollars_reserved >= 0),
  tokens_raised bigint not null default 0 check (tokens_raised >= 0),
  dollars_raised numeric not null default 0 check (dollars_raised >= 0),
  raises integer not null default 0,
  primary key (project, key),
  constraint budget_account_is_of_scope check (
    (run_id is not null) = (scope = 'run')
    and (workflow is not null) = (scope in ('workflow_day', 'workflow_total'))
    and (day is not null) = (scope in ('workflow_day', 'project_day'))
  )
);

create index budget_account_of_run on budget_account (run_id) where run_id is not null;
create index budget_account_by_day on budget_account (day) where day is not null;

create table project_budget (
  project text not null,
  period text not null check (period in ('day', 'total')),
  dollars numeric check (dollars >= 0),
  tokens bigint check (tokens >= 0),
  on_limit text not null check (on_limit in ('fail', 'pause', 'ask')),
  set_at timestamptz not null default now(),
  set_by text not null,
  primary key (project, period),
  constraint project_budget_limits_something check (dollars is not null or tokens is not null)
);

-- Who changed what when; of a run's budget also the run's timeline tells.
create table budget_event (
  id bigint generated always as identity primary key,
  project text not null,
  key text not null, -- of the account, or project/<period> of what was set
  at timestamptz not null default now(),
  action text not null check (action in ('set', 'cleared', 'raised', 'rejected')),
  by text not null,
  reason text not null default '',
  dollars numeric,
  tokens bigint
);

create index budget_event_of on budget_event (project, key, id desc);

-- That a budget had no room for a call of this run: told once, until the budget is raised.
create table budget_exceeded (
  run_id uuid not null,
  key text not null,
  raises integer not null,
  at timestamptz not null default now(),
  primary key (run_id, key, raises)
);

-- What was asked of people about budgets, in the name of a node.
create table budget_question (
  run_id uuid not null,
  node text not null,
  question text not null, -- the key of the question within the node
  key text not null, -- of the account
  asked_at timestamptz not null default now(),
  answered_at timestamptz,
  approved boolean,
  by text,
  primary key (run_id, node, question),
  constraint budget_question_answered_is_whole
    check ((answered_at is null) = (approved is null) and (answered_at is null) = (by is null))
);
