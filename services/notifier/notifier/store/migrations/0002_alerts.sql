-- Alerts that came in, what they wish, and what was done for them.

-- One webhook of an Alertmanager that told something new: what its alerts have in common, kept once.
create table notifier.alert_group (
  id bigint generated always as identity primary key,
  source text not null,
  group_key text not null,
  receiver text not null,
  external_url text not null,
  group_labels json not null,
  common_labels json not null,
  common_annotations json not null,
  truncated_alerts integer not null, -- how many the Alertmanager left out
  received_at timestamptz not null default now()
);

create index alert_group_received on notifier.alert_group (received_at);

-- One row for each (source, group key, fingerprint, start, status): firing and resolved are two.
create table notifier.alert (
  id bigint generated always as identity primary key,
  key bytea not null unique, -- SHA-256 of these five; in hex the id of its event
  group_id bigint not null references notifier.alert_group (id) on delete cascade,
  source text not null,
  project text not null,
  name text not null, -- its label alertname
  status text not null check (status in ('firing', 'resolved')),
  fingerprint text not null,
  starts_at timestamptz not null,
  ends_at timestamptz,
  over_at timestamptz, -- of a resolved one: its end, or when it came if that was earlier
  generator_url text not null,
  labels json not null,
  annotations json not null,
  received_at timestamptz not null default now(),
  heard_at timestamptz not null default now(), -- the latest repetition
  times integer not null default 1, -- how often it was told
  publish_at timestamptz not null default now(), -- when its event is to be published, unless somebody is at it
  published_at timestamptz,
  constraint alert_resolved_is_over check ((status = 'resolved') = (over_at is not null))
);

create index alert_occurrence on notifier.alert (source, fingerprint, status);
create index alert_unpublished on notifier.alert (publish_at) where published_at is null;
create index alert_heard on notifier.alert (heard_at);
create index alert_of_group on notifier.alert (group_id);

-- What an occurrence of an alert asks for, by a rule of its source. It counts until it is resolved, and a while longer.
create table notifier.alert_wish (
  project text not null,
  verb text not null,
  target text not null,
  source text not null,
  fingerprint text not null,
  starts_at timestamptz not null,
  alert text not null,
  due_at timestamptz not null, -- it has then been firing here for as long as the rule wants
  hold_resolved interval not null,
  resolved_at timestamptz,
  primary key (project, verb, target, source, fingerprint, starts_at)
);

create index alert_wish_open on notifier.alert_wish (source, fingerprint) where resolved_at is null;

-- What was done to the engine, and why: the audit, and what is still to do.
create table notifier.alert_action (
  id bigint generated always as identity primary key,
  project text not null,
  verb text not null check (verb in ('open_breaker', 'close_breaker', 'pause_workflow', 'resume_workflow')),
  target text not null,
  source text not null, -- of the alert that asked first
  alert text not null,
  fingerprint text not null,
  starts_at timestamptz not null,
  state text not null default 'doing' check (state in ('doing', 'done', 'undoing', 'ended')),
  acted boolean not null default false, -- the engine was changed: there is something to undo
  outcome text not null default 'waiting'
    check (outcome in ('waiting', 'done', 'left', 'refused', 'undone', 'dropped')),
  detail text not null default '',
  tries integer not null default 0, -- at doing it, or at undoing it
  try_at timestamptz not null default now(), -- while somebody is at it: when that one must be dead
  ordered_at timestamptz not null default now(),
  done_at timestamptz,
  ended_at timestamptz,
  constraint alert_action_ended_has_moment check ((state = 'ended') = (ended_at is not null))
);

-- A thing is not done twice at once, however many alerts and notifiers want it.
create unique index alert_action_live on notifier.alert_action (project, verb, target) where state <> 'ended';
create index alert_action_to_do on notifier.alert_action (try_at) where state in ('doing', 'undoing');
create index alert_action_ended on notifier.alert_action (ended_at);
