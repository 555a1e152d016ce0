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
where r.ended_at is not null and n.state in ('waiting', 'ready', 'running', 'backoff', 'suspended', 'compensating');

-- name: ended_runs_have_a_row_for_every_node
select r.id, r.nodes_total, count(n.name) as rows
from run r left join node n on n.run_id = r.id and n.part_of is null
where r.ended_at is not null
group by r.id having count(n.name) <> r.nodes_total;

-- name: open_nodes_are_counted_right
select r.id, r.nodes_open, r.nodes_total - count(n.name) as counted
from run r left join node n
  on n.run_id = r.id and n.part_of is null and n.state in (
    'succeeded', 'failed', 'skipped', 'cancelled', 'compensating', 'compensated', 'compensation_failed'
  )
group by r.id having r.nodes_open <> r.nodes_total - count(n.name);

-- name: succeeded_runs_have_no_failed_or_cancelled_node
select r.id, n.name, n.state from run r join node n on n.run_id = r.id
where r.state = 'succeeded' and n.part_of is null and n.state in ('failed', 'cancelled');

-- name: a_node_succeeds_at_most_once_between_retries
select e.run_id, e.node, count(*) from run_event e
where e.kind = 'node.succeeded' group by e.run_id, e.node having count(*) > 1;

-- name: a_result_belongs_to_an_attempt_that_began
select run_id, node, attempt from run_event
where kind in (
  'node.succeeded', 'node.attempt_failed', 'node.repeated', 'node.started', 'node.suspended', 'node.expanded'
)
group by run_id, node, attempt
having min(seq) filter (where kind in ('node.succeeded', 'node.attempt_failed', 'node.repeated'))
  < coalesce(min(seq) filter (where kind in ('node.started', 'node.suspended', 'node.expanded')), 9e18);

-- name: an_attempt_starts_at_most_once
select run_id, node, attempt, count(*) from run_event
where kind = 'node.started' group by run_id, node, attempt having count(*) > 1;

-- name: an_attempt_ends_at_most_once
select run_id, node, attempt, count(*) from run_event
where kind in ('node.succeeded', 'node.attempt_failed', 'node.released', 'node.repeated') and attempt is not null
group by run_id, node, attempt having count(*) > 1;

-- name: attempts_do_not_skip_a_number
select run_id, node, count(distinct attempt) as attempts, max(attempt) as last from run_event
where kind in ('node.ready', 'node.started', 'node.suspended', 'node.expanded') and attempt is not null
group by run_id, node having count(distinct attempt) <> max(attempt);

-- name: a_run_ends_once_between_retries_and_undoing
select run_id,
  count(*) filter (where kind in ('run.succeeded', 'run.failed', 'run.cancelled', 'run.compensated')) as ends,
  count(*) filter (where kind in ('run.retried', 'run.compensating')) as goes_on
from run_event
where kind in (
  'run.succeeded', 'run.failed', 'run.cancelled', 'run.compensated', 'run.retried', 'run.compensating'
)
group by run_id
having count(*) filter (where kind in ('run.succeeded', 'run.failed', 'run.cancelled', 'run.compensated'))
  > 1 + count(*) filter (where kind in ('run.retried', 'run.compensating'));

-- name: a_paused_run_starts_no_attempt
select run_id, node, attempt, seq from (
  select run_id, node, attempt, seq, kind,
    max(seq) filter (where kind = 'run.paused') over so_far as paused,
    max(seq) filter (where kind in ('run.resumed', 'run.retried', 'run.cancelling')) over so_far as went_on
  from run_event
  where kind in ('run.paused', 'run.resumed', 'run.retried', 'run.cancelling', 'node.started')
    and run_id in (select run_id from run_event where kind = 'run.paused')
  window so_far as (partition by run_id order by seq)
) as told
where kind = 'node.started' and paused > coalesce(went_on, 0);

-- name: undoing_goes_backwards
with told as (
  select run_id, seq, node, kind,
    count(*) filter (where kind = 'run.retried') over (partition by run_id order by seq) as round
  from run_event where kind in ('node.compensating', 'run.retried')
),
steps as (
  select t.run_id, t.node, n.completed_version,
    lag(n.completed_version) over (partition by t.run_id, t.round order by t.seq) as before
  from told t join node n on n.run_id = t.run_id and n.name = t.node
  where t.kind = 'node.compensating'
)
select run_id, node, completed_version, before from steps where completed_version >= before;

-- name: a_unit_is_undone_at_most_once
select run_id, node, count(*) from run_event
where kind = 'node.compensated' group by run_id, node having count(*) > 1;

-- name: only_what_succeeded_is_undone
select run_id, node from run_event where kind in ('node.succeeded', 'node.compensating')
group by run_id, node
having min(seq) filter (where kind = 'node.compensating') < coalesce(min(seq) filter (where kind = 'node.succeeded'), 9e18);

-- name: undoing_begins_when_nothing_runs
select r.id, n.name, n.state from run r join node n on n.run_id = r.id
where r.state in ('compensating', 'compensated') and n.name not like '%:undo'
  and n.state in ('waiting', 'ready', 'running', 'backoff', 'suspended');

-- name: what_counts_as_undone_was_undone
select n.run_id, n.name, u.state as undoing
from node n left join node u on u.run_id = n.run_id and u.name = n.name || ':undo'
where n.state = 'compensated' and u.state is distinct from 'succeeded';

-- name: one_unit_is_undone_at_a_time
select run_id, count(*) from node where state = 'compensating' group by run_id having count(*) > 1;

-- name: an_undone_run_leaves_nothing_but_what_a_person_skipped
select r.id, n.name, n.state from run r join node n on n.run_id = r.id
where r.state = 'compensated' and n.state = 'compensation_failed' and n.detail ->> 'is' is distinct from 'undo_skipped';

-- name: foreach_counts_its_items
with counted as (
  select p.run_id, p.name, p.detail,
    count(i.name) as rows,
    count(i.name) filter (
      where i.state in ('waiting', 'ready', 'running', 'backoff', 'suspended')
    ) as open,
    count(i.name) filter (
      where i.state in ('succeeded', 'compensating', 'compensated', 'compensation_failed')
    ) as succeeded,
    count(i.name) filter (where i.state = 'failed') as failed
  from node p
  left join node i on i.run_id = p.run_id and i.part_of = p.name and i.name like '%]'
    and substring(i.name from '(\d+)\]$')::int < (p.detail ->> 'next')::int
  where p.part_of is null and p.detail ->> 'is' = 'foreach'
  group by p.run_id, p.name
)
select run_id, name, detail, rows, open, succeeded, failed from counted
where (rows, open, succeeded, failed) is distinct from (
  (detail ->> 'next')::bigint, (detail ->> 'open')::bigint, (detail ->> 'succeeded')::bigint,
  (detail ->> 'failed')::bigint
);

-- name: an_open_item_has_an_open_node
select i.run_id, i.name, i.state, p.state as node_state
from node i left join node p on p.run_id = i.run_id and p.name = i.part_of
where i.part_of is not null and i.name like '%]'
  and i.state in ('ready', 'running', 'backoff', 'suspended') and p.state is distinct from 'running';

-- A run that is undone after its end comes back without asking for a slot.
-- name: concurrency_limits_hold
select r.project, r.workflow, r.concurrency_key, count(*) as open
from run r
join workflow_version v on v.project = r.project and v.name = r.workflow and v.version = r.workflow_version
where r.concurrency_key is not null and r.ended_at is null and r.state <> 'queued'
  and not exists (select 1 from run_event e where e.run_id = r.id and e.kind = 'run.compensating')
group by r.project, r.workflow, r.concurrency_key
having count(*) > max(coalesce((v.source -> 'concurrency' ->> 'limit')::int, 1));

-- name: a_sub_workflow_knows_the_node_that_started_it
select c.id, c.parent_run, c.detail -> 'parent' ->> 'node' as node
from run c join run p on p.id = c.parent_run
left join node n on n.run_id = p.id and n.name = c.detail -> 'parent' ->> 'node'
where n.name is null;

-- name: a_node_names_the_run_that_it_started
select n.run_id, n.name, c.id as run, c.parent_run
from node n join run c on c.id = (n.detail ->> 'run')::uuid
where n.detail ->> 'is' = 'child' and c.parent_run is distinct from n.run_id;

-- name: only_what_waits_for_an_event_has_a_topic
select run_id, name, state, topic from node where topic is not null and state <> 'suspended';

-- name: what_is_ready_without_a_timer_waits_for_its_paused_run
select n.run_id, n.name, r.state from node n join run r on r.id = n.run_id
where n.state = 'ready' and n.wake_at is null and r.state <> 'paused';

-- name: what_waits_without_a_timer_is_a_question
select run_id, name, detail from node
where state = 'suspended' and wake_at is null and detail ->> 'is' <> 'question';

-- name: what_runs_without_a_timer_waits_for_its_items
select run_id, name, detail from node
where state = 'running' and wake_at is null and detail ->> 'is' is distinct from 'foreach';

-- name: an_idempotency_key_has_its_run
select k.project, k.key, k.run_id from idempotency k left join run r on r.id = k.run_id where r.id is null;

-- name: a_run_belongs_to_one_tick
select run_id, count(*) from schedule_tick where run_id is not null group by run_id having count(*) > 1;

-- name: schedules_are_of_the_latest_version
select s.project, s.workflow, s.name, s.workflow_version, w.latest_version
from schedule s join workflow w on w.project = s.project and w.name = s.workflow
where s.workflow_version <> w.latest_version;

-- name: an_account_reserves_what_its_open_calls_have_reserved
select a.project, a.key, a.tokens_reserved, a.dollars_reserved
from budget_account a
left join lateral (
  select sum(c.tokens_reserved) as tokens, sum(c.dollars_reserved) as dollars
  from model_call c where c.state = 'open' and c.project = a.project and a.key = any(c.accounts)
) open on true
where a.tokens_reserved <> coalesce(open.tokens, 0) or a.dollars_reserved <> coalesce(open.dollars, 0);

-- name: a_run_has_spent_what_its_calls_were_charged_with
select a.project, a.key, a.tokens_spent, a.dollars_spent
from budget_account a
left join lateral (
  select sum(c.tokens_charged) as tokens, sum(c.dollars_charged) as dollars
  from model_call c where c.project = a.project and a.key = any(c.accounts)
) made on true
where a.scope = 'run' and (a.tokens_spent < coalesce(made.tokens, 0) or a.dollars_spent < coalesce(made.dollars, 0));
