-- Circuit breakers: one row for each that was ever asked, and who changed it when and why.
-- Rows change only under `select … for update`, in the order of (project, key) and before any run's row.

create table breaker (
  project text not null,
  key text not null, -- dependency/<name> or workflow/<workflow>/<node>
  state text not null default 'closed' check (state in ('closed', 'open', 'half_open')),
  policy json, -- null: the default
  outcomes json not null default '[]', -- slices of the window: when it began, how many succeeded, how many failed
  last_failure text not null default '',
  opened_at timestamptz,
  open_until timestamptz, -- null while open: until a person closes it
  permits json not null default '[]', -- who may call while it is half-open, and until when that counts
  recovered integer not null default 0 check (recovered >= 0),
  refusals integer not null default 0 check (refusals >= 0),
  changed_at timestamptz not null default now(),
  changed_by text not null default 'penstock',
  primary key (project, key),
  constraint breaker_closed_was_not_opened check ((state = 'closed') = (opened_at is null)),
  constraint breaker_until_only_while_open check (state = 'open' or open_until is null),
  constraint breaker_permits_only_while_half_open check (state = 'half_open' or permits::text = '[]')
);

create table breaker_event (
  id bigint generated always as identity primary key,
  project text not null,
  key text not null,
  at timestamptz not null default now(),
  from_state text not null,
  to_state text not null,
  by text not null,
  reason text not null
);

create index breaker_event_of on breaker_event (project, key, id desc);

-- Whom a breaker holds back: counted for people, woken when it lets more through.
create index node_held_by on node ((detail ->> 'key'), run_id, name) where state = 'suspended';

create type breaker_write as (
  project text,
  key text,
  state text,
  policy text,
  outcomes text,
  last_failure text,
  opened_at timestamptz,
  open_until timestamptz,
  permits text,
  recovered integer,
  refusals integer
);

create type breaker_event_write as (
  project text,
  key text,
  from_state text,
  to_state text,
  by text,
  reason text
);
