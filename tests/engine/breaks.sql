-- What breaks each statement of tests/invariants.sql. $1 is a run that was undone, $2 one that is being worked on.

-- name: ended_runs_have_no_open_node
update node set state = 'waiting', ended_at = null where run_id = $1 and name = 'last';

-- name: ended_runs_have_a_row_for_every_node
delete from node where run_id = $1 and name = 'last';

-- name: open_nodes_are_counted_right
update run set nodes_open = 1 where id = $2;

-- name: a_result_belongs_to_an_attempt_that_began
delete from run_event where run_id = $1 and kind = 'node.started' and node = 'charge';

-- name: an_attempt_starts_at_most_once
update run_event set node = 'charge' where run_id = $1 and node = 'last' and kind = 'node.started';

-- name: an_attempt_ends_at_most_once
update run_event set kind = 'node.released'
where run_id = $1 and kind = 'node.started' and node = 'charge';

-- name: attempts_do_not_skip_a_number
update run_event set attempt = 2
where run_id = $1 and node = 'charge' and kind in ('node.ready', 'node.started');

-- name: a_run_ends_once_between_retries_and_undoing
update run_event set kind = 'run.failed'
where run_id = $1 and kind in ('run.compensating', 'run.compensated');

-- name: a_paused_run_starts_no_attempt
update run_event set kind = 'run.paused', node = null where run_id = $1 and seq = 2;

-- name: undoing_goes_backwards
update node set completed_version = 1000 where run_id = $1 and name = 'charge';

-- name: a_unit_is_undone_at_most_once
update run_event set node = 'charge'
where run_id = $1 and node = 'ship[0]' and kind = 'node.compensated';

-- name: only_what_succeeded_is_undone
update run_event set node = 'last'
where run_id = $1 and node = 'charge' and kind = 'node.compensating';

-- name: undoing_begins_when_nothing_runs
update node set state = 'waiting', ended_at = null where run_id = $1 and name = 'last';

-- name: what_counts_as_undone_was_undone
delete from node where run_id = $1 and name = 'charge:undo';

-- name: one_unit_is_undone_at_a_time
update node set state = 'compensating'
where run_id = $1 and part_of = 'ship' and state = 'compensated';

-- name: an_undone_run_leaves_nothing_but_what_a_person_skipped
update node set state = 'compensation_failed' where run_id = $1 and name = 'charge';

-- name: foreach_counts_its_items
update node set state = 'cancelled', output = null where run_id = $1 and name = 'ship[1]';

-- name: an_open_item_has_an_open_node
update node set part_of = 'ask', name = 'ask[0]' where run_id = $2 and name = 'work';

-- name: concurrency_limits_hold
insert into run (
  id, project, workflow, workflow_version, state, version, nodes_total, nodes_open, input, concurrency_key
)
select
  gen_random_uuid(), project, workflow, workflow_version, 'running', 1, 1, 1, '{}', concurrency_key
from run, generate_series(1, 2) where id = $1;

-- name: a_sub_workflow_knows_the_node_that_started_it
update run set parent_run = $1, detail = '{"parent": {"node": "nothing"}}' where id = $2;

-- name: a_node_names_the_run_that_it_started
update node set detail = json_build_object('is', 'child', 'run', $1::uuid)
where run_id = $2 and name = 'ask';

-- name: only_what_waits_for_an_event_has_a_topic
update node set topic = 'default/pushed' where run_id = $2 and name = 'work';

-- name: what_is_ready_without_a_timer_waits_for_its_paused_run
update node set wake_at = null where run_id = $2 and name = 'work';

-- name: what_waits_without_a_timer_is_a_question
update node set detail = '{"is": "moment"}' where run_id = $2 and name = 'ask';

-- name: what_runs_without_a_timer_waits_for_its_items
update node set state = 'running', detail = '{"is": "child"}', wake_at = null
where run_id = $2 and name = 'work';

-- name: an_account_reserves_what_its_open_calls_have_reserved
insert into budget_account (project, key, scope, tokens_reserved) values ('default', 'project/total', 'project_total', 5);

-- name: a_run_has_spent_what_its_calls_were_charged_with
with account as (
  insert into budget_account (project, key, scope, run_id) values ('default', 'run/1', 'run', $1)
)
insert into model_call (
  call, run_id, node, attempt, iteration, project, workflow, workflow_version, agent, operation, model, fingerprint,
  occurrence, state, accounts, tokens_reserved, tokens_charged, ended_at
)
select $1, $1, 'charge', 1, 1, 'default', 'shop', 1, 'echo', 'chat', 'default', 'f', 0, 'failed', '{run/1}', 9, 9, now();
