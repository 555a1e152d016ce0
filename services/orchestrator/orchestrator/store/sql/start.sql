-- New runs with their first units and events. Left out: a run whose idempotency key is taken, and one whose
-- workflow is inactive or, if the caller took its version for the latest, has a newer one.
with asked as materialized (
  select a.*, nullif(a.labels::jsonb ->> 'subject', '') as subject, w.paused_at is not null as workflow_paused
  from unnest($1::run_start_2[]) as a
  join workflow w on w.project = a.project and w.name = a.workflow
  where w.active and (not a.latest or w.latest_version = a.workflow_version)
),
keys as (
  insert into idempotency (project, key, digest, run_id)
  select project, key, digest, id from asked where key is not null
  on conflict do nothing
  returning run_id
),
accepted as materialized (
  select a.* from asked a where a.key is null or a.id in (select run_id from keys)
),
subjects as (
  insert into subject as s (project, name, last_number)
  select project, subject, count(*) from accepted where subject is not null
  group by project, subject
  order by project, subject
  on conflict (project, name) do update set last_number = s.last_number + excluded.last_number
  returning project, name, last_number
),
numbered as (
  select a.id, s.last_number + 1 - row_number() over (partition by a.project, a.subject order by a.id desc) as number
  from accepted a
  join subjects s on s.project = a.project and s.name = a.subject
),
runs as (
  insert into run (
    id, project, workflow, workflow_version, state, version, nodes_total, nodes_open, input, output, failure,
    labels, priority, traceparent, started_by, parent_run, source_run, concurrency_key, number, detail,
    ended_at, deadline_at
  )
  select
    a.id, a.project, a.workflow, a.workflow_version, a.state, a.version, a.nodes_total, a.nodes_open,
    a.input::json, a.output::json, a.failure::json, a.labels::jsonb, a.priority, a.traceparent,
    a.started_by, a.parent_run, a.source_run, a.concurrency_key, n.number, a.detail::json,
    case when a.ended then now() end, case when a.state = 'running' then now() + a.timeout end
  from accepted a
  left join numbered n on n.id = a.id
  returning id
),
nodes as (
  insert into node (
    run_id, name, part_of, state, attempt, first_attempt, iteration, publication,
    input, output, output_run, failure, detail, topic, completed_version,
    ready_at, started_at, ended_at, wake_at, deadline_at
  )
  select
    x.run_id, x.name, x.part_of, x.state, x.attempt, x.first_attempt, x.iteration, x.publication,
    x.input::json, x.output::json, x.output_run, x.failure::json, x.detail::json, x.topic, x.completed_version,
    case when x.state in ('ready', 'suspended') then now() end,
    case when x.state = 'running' then now() end,
    case when x.state in ('succeeded', 'failed', 'skipped', 'cancelled') then now() end,
    least(coalesce(x.wake_until, now() + x.wake_in), now() + x.deadline_in),
    now() + x.deadline_in
  from unnest($2::node_write_3[]) as x
  where x.run_id in (select id from runs)
),
events as (
  insert into run_event (run_id, seq, at, kind, node, attempt, data)
  select e.run_id, e.seq, now(), e.kind, e.node, e.attempt, e.data::json
  from unnest($3::event_write[]) as e
  where e.run_id in (select id from runs)
)
select r.id, now() as at, n.number, a.workflow_paused
from runs r
join accepted a on a.id = r.id
left join numbered n on n.id = r.id
