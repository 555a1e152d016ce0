"""Every key of the language: what it takes, what it refuses and with which words, and what arrives of it."""

import copy
import random
from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest

from penstock.contracts.errors import Problem
from penstock.contracts.limits import FOREACH_PARALLEL_DEFAULT, NODE_TIMEOUT_DEFAULT, RUN_TIMEOUT_MAX
from penstock.contracts.workflow import (
    RETRY_PROFILES,
    AlertStatus,
    AlertTrigger,
    ApprovalDefinition,
    BreakerPolicy,
    CacheDefinition,
    CatchUp,
    Compensation,
    CompensationPolicy,
    Concurrency,
    EventTrigger,
    EventWait,
    ForeachDefinition,
    Json,
    NodeDefinition,
    NodeKind,
    OnFailure,
    OnLimit,
    OnMax,
    OnTimeout,
    Overlap,
    RepeatDefinition,
    ScheduleTrigger,
    WaitDefinition,
)
from penstock.definition import check, from_document, load

WHOLE = """
name: everything
inputs: {type: object, properties: {repository: {type: string}, files: {type: array}}}
timeout: 10d
on_failure: compensate
compensation_policy: halt_on_error
concurrency: {key: "${{ inputs.repository }}", limit: 2, on_limit: cancel_oldest}
nodes:
  scan:
    agent: scanner
    foreach: "${{ inputs.files }}"
    max_parallel: 8
    tolerate_failures: 10%
    with: {file: "${{ item }}", place: "${{ index }}"}
    cache: {key: "${{ item }}-${{ run.workflow }}", ttl: 7d}
    compensate:
      {agent: unscan, pool: gpu, with: {was: "${{ output }}", of: "${{ input.file }}"}, timeout: 5m, retry: none}
    breaker: {failures: 3, cooldown: 5m, minimum: 4, window: 2m}
    depends_on: [llm-provider, mail]
  improve:
    agent: writer
    needs: [scan]
    with: {draft: "${{ previous }}", round: "${{ iteration }}"}
    repeat: {until: "${{ output.score > 0.9 || iteration == 3 }}", max: 5, on_max: succeed}
    compensate: forget
    breaker: true
  sign-off:
    needs: [improve]
    approval:
      message: "Ship ${{ nodes.improve.output.title }}?"
      assignees: [ann, bob]
      timeout: 1d
      on_timeout: continue
      no_self_approval: true
      form: {type: object, properties: {note: {type: string}}}
  rest: {wait: {duration: "${{ nodes.improve.output.pause }}"}}
  dawn: {wait: {until: "2026-12-24T06:00:00+01:00"}}
  pushed:
    wait:
      event: {type: com.github.push, if: "${{ event.data.clone == inputs.repository }}", look_back: 1h}
      timeout: 2d
      on_timeout: skip
  deploy: {workflow: deployment, version: 3, needs: [sign-off, rest, dawn, pushed], with: {n: 1}}
triggers:
  - schedule:
      cron: "0 6 * * 1-5"
      timezone: Europe/Zurich
      overlap: queue
      catch_up: all
      input: {repository: "${{ schedule.name }}"}
  - schedule: {cron: "0 7 * * 6", name: weekend}
  - event:
      type: com.github.push
      if: "${{ event.data.ref == 'main' }}"
      input: {repository: "${{ event.data.clone }}"}
  - alert:
      match: {severity: critical}
      if: "${{ alert.labels.a == 'b' }}"
      status: resolved
      input: {repository: "${{ alert.labels.repository }}"}
"""


def only_problem(text: str) -> Problem:
    problems = check(text)
    assert len(problems) == 1, problems
    return problems[0]


def of_node(fields: str) -> Problem:
    return only_problem(f"name: w\nnodes:\n  a: {{agent: x}}\n  b:\n    {fields}\n")


def in_workflow(text: str) -> Problem:
    return only_problem(f"name: w\nnodes: {{a: {{agent: x, compensate: y}}}}\n{text}\n")


def test_every_key_arrives_with_what_was_written() -> None:
    loaded = load(WHOLE)

    workflow, nodes = loaded.definition, {node.name: node for node in loaded.definition.nodes}
    assert loaded.warnings == ()
    assert from_document(loaded.document) == workflow
    assert workflow.on_failure is OnFailure.COMPENSATE
    assert workflow.compensation_policy is CompensationPolicy.HALT_ON_ERROR
    assert workflow.concurrency == Concurrency("${{ inputs.repository }}", 2, OnLimit.CANCEL_OLDEST)
    assert nodes["scan"].foreach == ForeachDefinition("${{ inputs.files }}", 8, 0, 0.1)
    assert nodes["scan"].cache == CacheDefinition("${{ item }}-${{ run.workflow }}", timedelta(days=7))
    assert nodes["scan"].compensate == Compensation(
        agent="unscan",
        pool="gpu",
        with_={"was": "${{ output }}", "of": "${{ input.file }}"},
        timeout=timedelta(minutes=5),
        retry=RETRY_PROFILES["none"],
    )
    assert nodes["scan"].breaker == BreakerPolicy(3, timedelta(minutes=5), 4, timedelta(minutes=2))
    assert nodes["scan"].depends_on == ("llm-provider", "mail")
    until = "${{ output.score > 0.9 || iteration == 3 }}"
    assert nodes["improve"].repeat == RepeatDefinition(until, 5, OnMax.SUCCEED)
    assert (nodes["improve"].compensate, nodes["improve"].breaker) == (
        Compensation("forget"),
        BreakerPolicy(),
    )
    assert nodes["sign-off"].approval == ApprovalDefinition(
        message="Ship ${{ nodes.improve.output.title }}?",
        assignees=("ann", "bob"),
        timeout=timedelta(days=1),
        on_timeout=OnTimeout.CONTINUE,
        no_self_approval=True,
        form={"type": "object", "properties": {"note": {"type": "string"}}},
    )
    assert nodes["rest"].wait == WaitDefinition(duration="${{ nodes.improve.output.pause }}")
    assert nodes["dawn"].wait == WaitDefinition(until="2026-12-24T06:00:00+01:00")
    condition = "${{ event.data.clone == inputs.repository }}"
    event = EventWait("com.github.push", condition, timedelta(hours=1))
    assert nodes["pushed"].wait == WaitDefinition(
        event=event, timeout=timedelta(days=2), on_timeout=OnTimeout.SKIP
    )
    assert (nodes["deploy"].workflow, nodes["deploy"].workflow_version) == ("deployment", 3)
    assert [node.kind for node in (nodes["scan"], nodes["sign-off"], nodes["rest"], nodes["deploy"])] == [
        NodeKind.AGENT,
        NodeKind.APPROVAL,
        NodeKind.WAIT,
        NodeKind.WORKFLOW,
    ]


def test_every_trigger_arrives_with_what_was_written() -> None:
    assert load(WHOLE).definition.triggers == (
        ScheduleTrigger(
            cron="0 6 * * 1-5",
            timezone="Europe/Zurich",
            overlap=Overlap.QUEUE,
            catch_up=CatchUp.ALL,
            input={"repository": "${{ schedule.name }}"},
            name="schedule-1",
        ),
        ScheduleTrigger(cron="0 7 * * 6", name="weekend"),
        EventTrigger(
            "com.github.push", "${{ event.data.ref == 'main' }}", {"repository": "${{ event.data.clone }}"}
        ),
        AlertTrigger(
            {"severity": "critical"},
            "${{ alert.labels.a == 'b' }}",
            AlertStatus.RESOLVED,
            {"repository": "${{ alert.labels.repository }}"},
        ),
    )


def first_node(fields: str) -> NodeDefinition:
    return load(f"name: w\ninputs: {{}}\nnodes: {{a: {{{fields}}}}}").definition.nodes[0]


def test_what_is_left_out_has_the_default_of_its_kind() -> None:
    agent, workflow = first_node("agent: x, foreach: [1]"), first_node("workflow: y")

    assert (agent.retry, agent.timeout) == (RETRY_PROFILES["standard"], NODE_TIMEOUT_DEFAULT)
    assert agent.foreach == ForeachDefinition([1], FOREACH_PARALLEL_DEFAULT, 0, None)
    assert (workflow.retry, workflow.timeout) == (RETRY_PROFILES["none"], RUN_TIMEOUT_MAX)
    assert (workflow.agent, workflow.workflow_version) == (None, None)
    assert first_node("wait: {event: a.b}").wait == WaitDefinition(event=EventWait("a.b"))
    assert first_node("workflow: y, retry: {attempts: 2}").retry.delay == timedelta(milliseconds=500)
    assert first_node("agent: x, breaker: {failures: 8}").breaker == BreakerPolicy(failures=8, minimum=8)
    assert load("name: w\nconcurrency: 3\nnodes: {a: {agent: x}}").definition.concurrency == Concurrency(
        "", 3
    )


@pytest.mark.parametrize(
    ("written", "number", "share"),
    [("0", 0, None), ("7", 7, None), ("5%", 0, 0.05), ("'12.5%'", 0, 0.125), ("0.25", 0, 0.25)],
)
def test_tolerated_failures_are_a_number_or_a_share(written: str, number: int, share: float | None) -> None:
    foreach = first_node(f"agent: x, foreach: [1], tolerate_failures: {written}").foreach

    assert foreach is not None
    assert (foreach.failures_max, foreach.failures_share) == (number, share)


@pytest.mark.parametrize(
    ("fields", "path", "message"),
    [
        # one thing
        ("needs: [a]", "b", "what the node does is missing: expected exactly one of agent, workflow, approval"),
        ("{agent: x, wait: {duration: 5s}}", "b.wait", "has 'agent' already; make 'wait' a node of its own"),
        ("version: 3\n    agent: x", "b.version", "'version' belongs to 'workflow', which is missing"),
        ("{workflow: y, version: 0}", "b.version", "expected a whole number from 1 to"),
        ("workflow: Y", "b.workflow", "expected a name"),
        # foreach
        ("{agent: x, foreach: 3}", "b.foreach", "expected a list, or one ${{ expression }} that gives a list, got"),
        ("{agent: x, foreach: '${{ 3 }}'}", "b.foreach", "a `foreach` gives a list; 3 gives int"),
        ("{agent: x, foreach: 'x ${{ inputs }}'}", "b.foreach", "a `foreach` is exactly one expression"),
        ("{agent: x, foreach: [1], max_parallel: 0}", "b.max_parallel", "a whole number from 1 to 1000"),
        ("{agent: x, max_parallel: 3}", "b.max_parallel", "'max_parallel' belongs to 'foreach'"),
        ("{agent: x, tolerate_failures: 3}", "b.tolerate_failures", "belongs to 'foreach', which is missing"),
        ("{agent: x, foreach: [1], tolerate_failures: 1.0}", "b.tolerate_failures", "a share of them like 10%"),
        ("{agent: x, foreach: [1], tolerate_failures: 100%}", "b.tolerate_failures", "got '100%'"),
        ("{agent: x, foreach: [1], tolerate_failures: -1}", "b.tolerate_failures", "got the number -1"),
        # repeat
        ("{agent: x, repeat: 3}", "b.repeat", "expected a mapping with `until` and `max`"),
        ("{agent: x, repeat: {max: 3}}", "b.repeat", "'until' is missing"),
        ("{agent: x, repeat: {until: '${{ true }}'}}", "b.repeat", "'max' is missing: expected how often at most"),
        ("{agent: x, repeat: {until: '${{ true }}', max: 1001}}", "b.repeat.max", "from 1 to 1000"),
        ("{agent: x, repeat: {until: 'done', max: 3}}", "b.repeat.until", "an `until` is exactly one expression"),
        ("{agent: x, repeat: {until: '${{ 1 }}', max: 3}}", "b.repeat.until", "gives true or false; 1 gives int"),
        ("{agent: x, repeat: {until: '${{ true }}', max: 3, on_max: stop}}", "b.repeat.on_max", "fail, succeed"),
        # cache
        ("{agent: x, cache: {key: '${{ run.id }}'}}", "b.cache", "'ttl' is missing"),
        ("{agent: x, cache: {ttl: 1h}}", "b.cache", "'key' is missing"),
        ("{agent: x, cache: {key: '${{ run.id }}', ttl: 91d}}", "b.cache.ttl", "a duration from 1ms to 90d"),
        ("{agent: x, cache: {key: same, ttl: 1d}}", "b.cache.key", "the key is the same for every run"),
        ("{workflow: y, cache: {key: '${{ run.id }}', ttl: 1d}}", "b.cache", "cache the nodes inside the sub-"),
        ("{workflow: y, pool: gpu}", "b.pool", "the nodes inside the sub-workflow name their pools"),
        # undo and protection
        ("{agent: x, compensate: 3}", "b.compensate", "expected an agent's name, or a mapping with `agent`"),
        ("{agent: x, compensate: {with: 1}}", "b.compensate", "'agent' is missing"),
        ("{agent: x, compensate: {agent: y, retry: nope}}", "b.compensate.retry", "no retry profile named 'nope'"),
        ("{agent: x, compensate: {agnt: y, agent: y}}", "b.compensate.agnt", "did you mean 'agent'?"),
        ("{agent: x, breaker: false}", "b.breaker", "expected true for the defaults, or a mapping with `failures`"),
        ("{agent: x, breaker: {failures: 0}}", "b.breaker.failures", "from 1 to 1000"),
        ("{agent: x, breaker: {failures: 9, minimum: 8}}", "b.breaker.minimum", "minimum is less than failures"),
        ("{agent: x, breaker: {cooldown: 2d}}", "b.breaker.cooldown", "a duration from 1ms to 1d"),
        ("{agent: x, depends_on: [Mail]}", "b.depends_on[0]", "expected a name"),
        ("{agent: x, depends_on: mail}", "b.depends_on", "expected a list of names"),
        # approval
        ("approval: Go?", "b.approval", "expected a mapping with `message`, got 'Go?'"),
        ("approval: {}", "b.approval", "'message' is missing"),
        ("approval: {message: Go?, timeout: 0s}", "b.approval.timeout", "a duration from 1ms to 30d"),
        ("approval: {message: Go?, timeout: 3h}", "b.approval.timeout", "longer than the whole run"),
        ("approval: {message: Go?, on_timeout: skip}", "b.approval.on_timeout", "belongs to 'timeout'"),
        ("approval: {message: Go?, assignees: []}", "b.approval.assignees", "nobody may answer"),
        ("approval: {message: Go?, assignees: [' ']}", "b.approval.assignees[0]", "expected a name"),
        ("approval: {message: Go?, no_self_approval: 1}", "b.approval.no_self_approval", "expected true or false"),
        ("approval: {message: Go?, form: {type: strng}}", "b.approval.form.type", "unknown JSON type"),
        ("approval: {message: Go?, form: {type: string}}", "b.approval.form.type", "a form is an object of fields"),
        ("{approval: {message: Go?}, foreach: [1]}", "b.foreach", "an approval happens once; put 'foreach' on"),
        ("{approval: {message: Go?}, timeout: 5m}", "b.timeout", "an approval has its timeout inside: write app"),
        ("{approval: {message: Go?}, with: {}}", "b.with", "an approval takes no input"),
        ("{approval: {message: Go?}, compensate: y}", "b.compensate", "an approval has nothing to undo"),
        ("{approval: {message: Go?}, retry: none}", "b.retry", "'retry' is for nodes that do work"),
        # wait
        ("wait: 90s", "b.wait", "expected a mapping with one of duration, until, event"),
        ("wait: {}", "b.wait", "expected exactly one of duration, until, event"),
        ("wait: {duration: 5s, event: a}", "b.wait.event", "this one has 'duration' already; make two nodes"),
        ("wait: {duration: 90}", "b.wait.duration", "expected a duration like 500ms"),
        ("wait: {duration: 3h}", "b.wait.duration", "the wait may take longer than the whole run"),
        ("wait: {duration: '${{ 90 }}'}", "b.wait.duration", "a `duration` gives text like 90s; 90 gives int"),
        ("wait: {duration: 5s, timeout: 5m}", "b.wait.timeout", "'timeout' belongs to 'event'"),
        ("wait: {event: a.b, on_timeout: skip}", "b.wait.on_timeout", "'on_timeout' belongs to 'timeout'"),
        ("wait: {until: tomorrow}", "b.wait.until", "expected a moment like 2026-12-24T18:00:00+01:00"),
        ("wait: {until: '2026-12-24T18:00:00'}", "b.wait.until", "got '2026-12-24T18:00:00'"),
        ("wait: {until: '2026-13-24T18:00:00Z'}", "b.wait.until", "expected a moment"),
        ("wait: {event: 'a.*'}", "b.wait.event", "without spaces or wildcards, got 'a.*'"),
        ("wait: {event: {if: '${{ true }}'}}", "b.wait.event", "'type' is missing"),
        ("wait: {event: {type: a, look_back: 8d}}", "b.wait.event.look_back", "a duration from 0s to 7d"),
        ("wait: {event: {type: a, if: '${{ 1 }}'}}", "b.wait.event.if", "an `if` gives true or false"),
        ("{wait: {duration: 5s}, repeat: {until: '${{ true }}', max: 2}}", "b.repeat", "a wait happens once"),
        ("{wait: {duration: 5s}, breaker: true}", "b.breaker", "'breaker' is for nodes that do work"),
        ("{wait: {duration: 5s}, depends_on: [x]}", "b.depends_on", "leave it out of a wait"),
    ],
)  # fmt: skip
def test_a_wrong_key_of_a_node_is_told_with_what_to_do(fields: str, path: str, message: str) -> None:
    problem = of_node(fields)

    assert problem.path == f"nodes.{path}"
    assert message in problem.message


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("on_failure: explode", "on_failure", "expected one of stop, continue, compensate, pause"),
        ("compensation_policy: stop", "compensation_policy", "expected one of continue_on_error, halt_on_error"),
        ("concurrency: 0", "concurrency", "expected a whole number from 1 to 10000"),
        ("concurrency: many", "concurrency", "expected a number of runs, or a mapping with `key`"),
        ("concurrency: {limit: 10001}", "concurrency.limit", "from 1 to 10000"),
        ("concurrency: {on_limit: wait}", "concurrency.on_limit", "expected one of queue, reject, cancel_oldest"),
        (f"concurrency: {{key: {'k' * 201}}}", "concurrency.key", "a key of at most 200 characters"),
        ("triggers: {}", "triggers", "expected a list of triggers, got a mapping"),
        ("triggers: [daily]", "triggers[0]", "expected a mapping with exactly one of schedule, event, alert"),
        ("triggers: [{}]", "triggers[0]", "expected exactly one of schedule, event, alert; got none of them"),
        ("triggers: [{event: {type: a}, alert: {match: {a: b}}}]", "triggers[0]", "make a trigger of each"),
        ("triggers: [{shedule: {}, alert: {match: {a: b}}}]", "triggers[0].shedule", "did you mean 'schedule'?"),
        ("triggers: [" + "{event: {type: a}}, " * 21 + "]", "triggers", "21 triggers; at most 20"),
        ("triggers: [{schedule: daily}]", "triggers[0].schedule", "expected a mapping with `cron`"),
        ("triggers: [{schedule: {}}]", "triggers[0].schedule", "'cron' is missing"),
        ("triggers: [{schedule: {cron: 0 0 31 2 *}}]", "triggers[0].schedule.cron", "never ticks"),
        ("triggers: [{schedule: {cron: 0 0 0 31 2 *}}]", "triggers[0].schedule.cron", "expected five fields"),
        ("triggers: [{schedule: {cron: 0 0 * * *, timezone: Europe/Zürich}}]", "triggers[0].schedule.timezone",
         "did you mean 'Europe/Zurich'?"),
        ("triggers: [{schedule: {cron: 0 0 * * *, overlap: no}}]", "triggers[0].schedule.overlap", "skip, queue"),
        ("triggers: [{schedule: {cron: 0 0 * * *, catch_up: 1}}]", "triggers[0].schedule.catch_up", "none, one"),
        ("triggers: [{schedule: {cron: 0 0 * * *, name: a}}, {schedule: {cron: 0 1 * * *, name: a}}]",
         "triggers[1].schedule.name", "another schedule is named 'a'"),
        ("triggers: [{event: {if: '${{ true }}'}}]", "triggers[0].event", "'type' is missing"),
        ("triggers: [{event: {type: 'a b'}}]", "triggers[0].event.type", "an event's whole type"),
        ("triggers: [{alert: {}}]", "triggers[0].alert", "'match' is missing"),
        ("triggers: [{alert: {match: {a: b}, status: fired}}]", "triggers[0].alert.status", "firing, resolved"),
        ("triggers: [{alert: {match: {}}}]", "triggers[0].alert.match", "every alert would match"),
        ("triggers: [{alert: {match: {severity: 1}}}]", "triggers[0].alert.match.severity", "expected text"),
        ("inputs: {required: [x]}\ntriggers: [{event: {type: a}}]", "triggers[0].event.input",
         "no run takes this input: input: 'x' is missing"),
    ],
)  # fmt: skip
def test_a_wrong_key_of_the_workflow_is_told_with_what_to_do(text: str, path: str, message: str) -> None:
    problem = in_workflow(text)

    assert problem.path == path
    assert message in problem.message


def test_undoing_nothing_is_a_warning_and_undoing_by_request_is_fine() -> None:
    nothing = only_problem("name: w\non_failure: compensate\nnodes: {a: {agent: x}}")

    assert (nothing.severity, nothing.path) == ("warning", "on_failure")
    assert check("name: w\non_failure: compensate\nnodes: {a: {workflow: y}}") == []
    assert check("name: w\nnodes: {a: {agent: x, compensate: y}}") == []


def test_a_misspelt_kind_is_told_with_the_right_one() -> None:
    messages = [problem.message for problem in check("name: w\nnodes: {a: {aproval: {message: Go?}}}")]

    assert any("did you mean 'approval' instead of 'aproval'?" in message for message in messages)


ODD = (None, True, 3, -1, 1.5, "", "x", "${{", "${{ nope }}", [], {}, [None], {"x": None})


def _paths(value: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _paths(inner, (*path, key))


def _with(value: Json, path: tuple[str | int, ...], odd: Json) -> Json:
    if not path:
        return odd
    changed = copy.copy(value)
    changed[path[0]] = _with(value[path[0]], path[1:], odd)
    return changed


def test_an_odd_value_in_any_place_is_told_and_never_a_crash() -> None:
    """200 of some 1,900 documents: the largest one with an odd value in one of its places."""
    seed = random.randrange(2**32)
    document = load(WHOLE).document
    places = [(path, odd) for path in _paths(document) for odd in ODD]

    found = 0
    for path, odd in random.Random(seed).sample(places, 200):
        changed = _with(document, path, odd)
        errors = [p for p in check(msgspec.json.encode(changed)) if p.severity == "error"]
        found += bool(errors)
        if not errors:
            from_document(changed)  # raises if the stored one were not as it was checked

    assert found > 100, f"seed {seed}"
