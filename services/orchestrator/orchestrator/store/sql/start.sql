-- New runs with their first nodes and events. Left out: a run whose idempotency key is taken, and one whose
-- workflow is inactive or, if the caller took its version for the latest, has a newer one.
with asked as materialized (
  select a.*
  from unnest($1::run_start[]) as a
  join workflow w on w.project = a.project and w.name = a.workflow
  where w.active and (not a.latest or w.latest_version = a.workflow_version)
),
keys as (
  insert into idempotency (project, key, digest, run_id)
  select project, key, digest, id from asked where key is not null
  on conflict do nothing
  returning run_id
),
runs as (
  insert into run (
    id, project, workflow, workflow_version, state, version, nodes_total, nodes_open, input, output, failure,
    labels, priority, traceparent, ended_at, deadline_at
  )
  select
    a.id, a.project, a.workflow, a.workflow_version, a.state, a.version, a.nodes_total, a.nodes_open,
    a.input::json, a.output::json, a.failure::json, a.labels::jsonb, a.priority, a.traceparent,
    case when a.ended then now() end, case when not a.ended then now() + a.timeout end
  from asked a
  where a.key is null or a.id in (select run_id from keys)
  returning id
),
nodes as (
  insert into node (
    run_id, name, state, attempt, first_attempt, publication, input, output, failure,
    ready_at, ended_at, wake_at
  )
  select
    x.run_id, x.name, x.state, x.attempt, x.first_attempt, x.publication,
    x.input::json, x.output::json, x.failure::json,
    case when x.state = 'ready' then now() end,
    case when x.state <> 'ready' then now() end,
    now() + x.wake_in
  from unnest($2::node_write[]) as x
  where x.run_id in (select id from runs)
),
events as (
  insert into run_event (run_id, seq, at, kind, node, attempt, data)
  select e.run_id, e.seq, now(), e.kind, e.node, e.attempt, e.data::json
  from unnest($3::event_write[]) as e
  where e.run_id in (select id from runs)
)
select id, now() as at from runs
