-- Everything that a batch of decisions changed, in one guarded statement: $1 runs, $2 nodes, $3 events.
-- Lock order: run rows in id order, before anything else; then node rows, which only the holder of their run
-- changes (renewals aside, which touch timers only). Nothing is written unless every run still has the version
-- that was decided on; and the statement fails as a whole if a node is not in the expected attempt and token.
with locked as materialized (
  select r.id, r.version = a.expected as fresh
  from unnest($1::run_write[]) as a
  join run r on r.id = a.id
  order by r.id
  for update of r
),
guard as materialized (
  select count(*) filter (where fresh) = cardinality($1::run_write[]) as ok from locked
),
runs as (
  update run r set
    version = a.version,
    state = a.state,
    nodes_open = a.nodes_open,
    output = a.output::json,
    failure = a.failure::json,
    cancel_reason = a.cancel_reason,
    changed_at = now(),
    ended_at = case when a.state in ('succeeded', 'failed', 'cancelled') then coalesce(r.ended_at, now()) end,
    deadline_at = case
      when a.state <> 'running' then null
      when r.state <> 'running' then now() + a.timeout -- a retry
      else r.deadline_at end,
    settled = false
  from unnest($1::run_write[]) as a
  where r.id = a.id and (select ok from guard)
),
updated as (
  update node n set
    state = x.state,
    attempt = x.attempt,
    first_attempt = x.first_attempt,
    token = x.token,
    runner = x.runner,
    publication = x.publication,
    input = coalesce(x.input::json, n.input),
    output = x.output::json,
    failure = x.failure::json,
    ready_at = case when x.state = 'ready' and n.state <> 'ready' then now() else n.ready_at end,
    started_at = case when x.state = 'running' then now() when x.state = 'ready' then null else n.started_at end,
    ended_at = case when x.state in ('succeeded', 'failed', 'skipped', 'cancelled') then now() end,
    wake_at = now() + x.wake_in,
    deadline_at = now() + x.deadline_in
  from unnest($2::node_write[]) as x
  where n.run_id = x.run_id and n.name = x.name
    and x.attempt_expected is not null
    and n.attempt = x.attempt_expected and n.token is not distinct from x.token_expected
    and (select ok from guard)
  returning 1
),
inserted as (
  insert into node (
    run_id, name, state, attempt, first_attempt, token, runner, publication, input, output, failure,
    ready_at, ended_at, wake_at, deadline_at
  )
  select
    x.run_id, x.name, x.state, x.attempt, x.first_attempt, x.token, x.runner, x.publication,
    x.input::json, x.output::json, x.failure::json,
    case when x.state = 'ready' then now() end,
    case when x.state in ('succeeded', 'failed', 'skipped', 'cancelled') then now() end,
    now() + x.wake_in, now() + x.deadline_in
  from unnest($2::node_write[]) as x
  where x.attempt_expected is null and (select ok from guard)
  returning 1
),
events as (
  insert into run_event (run_id, seq, at, kind, node, attempt, data)
  select e.run_id, e.seq, now(), e.kind, e.node, e.attempt, e.data::json
  from unnest($3::event_write[]) as e
  where (select ok from guard)
)
select
  guard.ok,
  now() as at,
  array(select id from locked where not fresh) as stale,
  not guard.ok or penstock_fence(
    (select count(*) from updated) + (select count(*) from inserted), cardinality($2::node_write[])
  ) as fenced
from guard
