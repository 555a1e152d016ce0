-- What must hold in every database of Penstock, at any moment. Each statement returns the rows that break it:
-- none, in a healthy system. Runs after every chaos test, and may run in production (reads only).

-- name: timeline_is_gap_free
select e.run_id, count(*) as events, max(e.seq) as last
from run_event e group by e.run_id
having count(*) <> max(e.seq) or min(e.seq) <> 1;

-- name: timeline_ends_at_run_version
select r.id, r.version, max(e.seq) as last
from run r left join run_event e on e.run_id = r.id
group by r.id, r.version having r.version is distinct from max(e.seq);

-- name: nothing_is_published_beyond_the_timeline
select id, published, version from run where published > version;

-- name: settled_runs_have_ended_and_are_published
select id from run where settled and (ended_at is null or published <> version);

-- name: every_node_has_a_run
select n.run_id, n.name from node n left join run r on r.id = n.run_id where r.id is null;

-- name: every_event_has_a_run
select e.run_id, e.seq from run_event e left join run r on r.id = e.run_id where r.id is null;

-- name: ended_runs_have_no_open_node
select r.id, n.name, n.state from run r join node n on n.run_id = r.id
where r.ended_at is not null
  and n.state in ('waiting', 'ready', 'running', 'backoff', 'suspended', 'compensating')
  and (n.part_of is null or n.state <> 'waiting'); -- an item that a retry reset need not begin again

-- name: ended_runs_have_a_row_for_every_node
select r.id, r.nodes_total, count(n.name) as rows
from run r left join node n on n.run_id = r.id and n.part_of is null
where r.ended_at is not null
group by r.id having count(n.name) <> r.nodes_total;

-- name: open_nodes_are_counted_right
select r.id, r.nodes_open, r.nodes_total - count(n.name) as counted
from run r left join node n on n.run_id = r.id and n.part_of is null and n.state in (
  'succeeded', 'failed', 'skipped', 'cancelled', 'compensating', 'compensated', 'compensation_failed'
)
group by r.id having r.nodes_open <> r.nodes_total - count(n.name);

-- name: succeeded_runs_have_no_failed_or_cancelled_node
select r.id, n.name, n.state from run r join node n on n.run_id = r.id
where r.state = 'succeeded' and n.part_of is null and n.state in ('failed', 'cancelled');

-- name: a_node_succeeds_at_most_once_between_retries
select e.run_id, e.node, count(*) from run_event e
where e.kind = 'node.succeeded' group by e.run_id, e.node having count(*) > 1;

-- name: a_result_belongs_to_a_started_or_suspended_attempt
select s.run_id, s.node, s.attempt, s.kind from run_event s
where s.kind in ('node.succeeded', 'node.attempt_failed')
  and not exists (
    select 1 from run_event b
    where b.run_id = s.run_id and b.node = s.node and b.attempt is not distinct from s.attempt
      and b.kind in ('node.started', 'node.suspended', 'node.expanded') and b.seq < s.seq
  );

-- name: an_attempt_starts_at_most_once
select run_id, node, attempt, count(*) from run_event
where kind = 'node.started' group by run_id, node, attempt having count(*) > 1;

-- name: an_attempt_ends_at_most_once
select run_id, node, attempt, count(*) from run_event
where kind in ('node.succeeded', 'node.attempt_failed', 'node.failed', 'node.released')
group by run_id, node, attempt having count(*) > 1;

-- name: attempts_do_not_skip_a_number
select run_id, node, count(distinct attempt) as attempts, max(attempt) as last from run_event
where kind in ('node.ready', 'node.started', 'node.suspended') group by run_id, node
having count(distinct attempt) <> max(attempt);

-- name: a_run_ends_once_between_retries_and_undoings
select run_id, count(*) filter (where kind in ('run.succeeded', 'run.failed', 'run.cancelled', 'run.compensated')) as ends,
  count(*) filter (where kind in ('run.retried', 'run.compensating')) as begun_again
from run_event group by run_id
having count(*) filter (where kind in ('run.succeeded', 'run.failed', 'run.cancelled', 'run.compensated'))
  > 1 + count(*) filter (where kind in ('run.retried', 'run.compensating'));

-- name: an_idempotency_key_has_its_run
select k.project, k.key, k.run_id from idempotency k left join run r on r.id = k.run_id where r.id is null;

-- name: a_run_belongs_to_one_tick
select run_id, count(*) from schedule_tick where run_id is not null group by run_id having count(*) > 1;

-- name: schedules_are_of_the_latest_version
select s.project, s.workflow, s.name, s.workflow_version, w.latest_version
from schedule s join workflow w on w.project = s.project and w.name = s.workflow
where s.workflow_version <> w.latest_version;
