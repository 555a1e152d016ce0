-- New runs with their first nodes and events. Left out: a run whose idempotency key is taken, and one whose
-- workflow is inactive or, if the caller took its version for the latest, has a newer one.
with asked as materialized (
  select a.*
  from unnest(
      $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::bigint[], $9::int[],
      $10::int[], $11::text[], $12::text[], $13::text[], $14::text[], $15::smallint[], $16::text[],
      $17::interval[], $18::bool[], $35::bool[]
    ) as a (
      id, project, key, digest, workflow, workflow_version, state, version, nodes_total,
      nodes_open, input, output, failure, labels, priority, traceparent,
      timeout, ended, latest
    )
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
  from unnest(
      $19::uuid[], $20::text[], $21::text[], $22::int[], $23::int[], $24::int[],
      $25::text[], $26::text[], $27::text[], $28::interval[]
    ) as x (run_id, name, state, attempt, first_attempt, publication, input, output, failure, wake_in)
  where x.run_id in (select id from runs)
),
events as (
  insert into run_event (run_id, seq, at, kind, node, attempt, data)
  select e.run_id, e.seq, now(), e.kind, e.node, e.attempt, e.data::json
  from unnest($29::uuid[], $30::bigint[], $31::text[], $32::text[], $33::int[], $34::text[])
    as e (run_id, seq, kind, node, attempt, data)
  where e.run_id in (select id from runs)
)
select id, now() as at from runs
