-- Deliveries: who is told of which events (subscription), each telling (delivery), and each try of it.

create table notifier.subscription (
  id uuid primary key,
  project text not null,
  name text not null,
  document text not null,                  -- JSON, as it was given
  from_file boolean not null,
  active boolean not null default true,
  inactive_reason text not null default '',
  revision bigint not null,                -- the version that changed it last
  created_at timestamptz not null default now(),  -- what happened before is not told
  changed_at timestamptz not null default now(),
  unique (project, name),
  check (active or inactive_reason <> '')
);

-- One row: grows with every change of a subscription, in its transaction, so that each notifier sees that its memory is old.
create table notifier.subscription_version (
  one boolean primary key default true check (one),
  version bigint not null
);
insert into notifier.subscription_version (version) values (1);

create table notifier.delivery (
  id uuid primary key,                     -- the id that the target sees, the same at every try
  subscription_id uuid not null references notifier.subscription on delete cascade,
  event_id text not null,                  -- <run>/<seq>
  kind text not null,
  workflow text not null,
  run_id uuid not null,
  happened_at timestamptz not null,
  event text not null,                     -- the CloudEvent as it came
  state text not null default 'waiting',
  claims integer not null default 0,       -- how often a notifier took it: what a try is numbered by, and its fence
  tries integer not null default 0,        -- failed ones since it was made or ordered again
  due_at timestamptz not null default now(),  -- of a claimed one: when its claim lapses
  created_at timestamptz not null default now(),
  ended_at timestamptz,
  unique (subscription_id, event_id),
  check (state in ('waiting', 'delivered', 'failed')),
  check ((state = 'waiting') = (ended_at is null))
);
create index delivery_due on notifier.delivery (subscription_id, due_at) where state = 'waiting';
create index delivery_of_run on notifier.delivery (run_id);
create index delivery_ended on notifier.delivery (ended_at) where ended_at is not null;

create table notifier.delivery_try (
  delivery_id uuid not null references notifier.delivery on delete cascade,
  number integer not null,
  at timestamptz not null,
  ok boolean not null,
  status integer,                          -- HTTP's, where the channel has one
  milliseconds integer not null,
  answer text not null,                    -- its first KiB
  error text not null,
  primary key (delivery_id, number)
);
