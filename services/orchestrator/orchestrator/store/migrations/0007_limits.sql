-- Limits that operators set: how many attempts of a project or in a pool may run at once, and how many runs a
-- project may start in a second. What counts against the first two are the live rows of `node`; nothing counts along.
create table execution_limit (
  scope text not null check (scope in ('project', 'pool', 'starts')),
  name text not null check (name ~ '^[a-z][a-z0-9-]{0,62}$'),
  maximum integer not null,
  set_at timestamptz not null default now(),
  primary key (scope, name),
  constraint execution_limit_range check (maximum between (scope = 'starts')::int and 100000)
);
