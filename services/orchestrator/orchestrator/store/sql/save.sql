-- Everything that a batch of decisions changed, in one guarded statement: $1 runs, $2 units, $3 events.
-- Lock order: what gates lock (engine/admission.py); run rows in id order; then node rows, which only the holder of
-- their run changes (renewals and breakers that wake aside, which touch timers only). Nothing is written unless every
-- run still has the version that was decided on; and the statement fails as a whole if a unit is not in the expected attempt and token.
with locked as materialized (
  select r.id, r.version = a.expected as fresh
  from unnest($1::run_write_2[]) as a
  join run r on r.id = a.id
  order by r.id
  for update of r
),
guard as materialized (
  select count(*) filter (where fresh) = cardinality($1::run_write_2[]) as ok from locked
),
runs as (
  update run r set
    version = a.version,
    state = a.state,
    nodes_open = a.nodes_open,
    output = a.output::json,
    failure = a.failure::json,
    cancel_reason = a.cancel_reason,
    detail = a.detail::json,
    changed_at = now(),
    ended_at = case
      when a.state not in ('succeeded', 'failed', 'cancelled', 'compensated') then null
      when a.state = r.state then r.ended_at
      else now() end,
    deadline_at = case
      when a.state <> 'running' then null
      when r.state <> 'running' then now() + a.timeout -- begun, resumed or retried
      else r.deadline_at end,
    settled = false
  from unnest($1::run_write_2[]) as a
  where r.id = a.id and (select ok from guard)
),
updated as (
  update node n set
    state = x.state,
    attempt = x.attempt,
    first_attempt = x.first_attempt,
    iteration = x.iteration,
    token = x.token,
    runner = x.runner,
    publication = x.publication,
    input = coalesce(x.input::json, n.input),
    output = x.output::json,
    output_run = x.output_run,
    previous = x.previous::json,
    answers = coalesce(x.answers::json, n.answers),
    failure = x.failure::json,
    detail = x.detail::json,
    topic = x.topic,
    completed_version = x.completed_version,
    ready_at = case
      when x.state in ('ready', 'suspended') and n.state <> x.state then now()
      else n.ready_at end,
    started_at = case
      when x.state = 'running' and n.state = 'running' and n.attempt = x.attempt then n.started_at
      when x.state = 'running' then now()
      when x.state = 'ready' then null
      else n.started_at end,
    ended_at = case
      when x.state in ('succeeded', 'failed', 'skipped', 'cancelled') then now()
      when x.state in ('compensating', 'compensated', 'compensation_failed') then coalesce(n.ended_at, now()) end,
    wake_at = least(
      coalesce(x.wake_until, now() + x.wake_in),
      case when x.state in ('suspended', 'running') and x.token is null then coalesce(
        now() + x.deadline_in,
        case when n.state = x.state and n.attempt = x.attempt then n.deadline_at end) end
    ),
    deadline_at = coalesce(
      now() + x.deadline_in,
      case when x.state in ('suspended', 'running') and n.state = x.state and n.attempt = x.attempt then n.deadline_at end
    )
  from unnest($2::node_write_3[]) as x
  where n.run_id = x.run_id and n.name = x.name
    and x.attempt_expected is not null
    and n.attempt = x.attempt_expected and n.token is not distinct from x.token_expected
    and (select ok from guard)
  returning 1
),
inserted as (
  insert into node (
    run_id, name, part_of, state, attempt, first_attempt, iteration, token, runner, publication,
    input, output, output_run, previous, answers, failure, detail, topic, completed_version,
    ready_at, started_at, ended_at, wake_at, deadline_at
  )
  select
    x.run_id, x.name, x.part_of, x.state, x.attempt, x.first_attempt, x.iteration, x.token, x.runner, x.publication,
    x.input::json, x.output::json, x.output_run, x.previous::json, x.answers::json, x.failure::json, x.detail::json, x.topic,
    x.completed_version,
    case when x.state in ('ready', 'suspended') then now() end,
    case when x.state = 'running' then now() end,
    case when x.state in ('succeeded', 'failed', 'skipped', 'cancelled') then now() end,
    least(coalesce(x.wake_until, now() + x.wake_in), now() + x.deadline_in),
    now() + x.deadline_in
  from unnest($2::node_write_3[]) as x
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
    (select count(*) from updated) + (select count(*) from inserted), cardinality($2::node_write_3[])
  ) as fenced
from guard
