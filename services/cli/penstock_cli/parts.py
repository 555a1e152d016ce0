"""How the parts of a run look to a person: items, what is waited for, undoings, and what a person is to do."""

import json
from collections.abc import Iterator
from typing import Any

from penstock_cli import formats

DETAILS_CHARS_MAX = 500  # `-o json` has the rest

_CHOICES = {
    "person": ("resume", "cancel"),
    "failure": ("retry", "resume", "cancel"),
    "compensation": ("retry", "skip"),
}


def what_waits_for_people(run: dict[str, Any]) -> Iterator[str]:
    """One line for each thing, with the commands that answer it."""
    pause = run.get("pause")
    if run["state"] == "paused" and pause:
        why = f" ({pause['reason']})" if pause["reason"] else ""
        commands = " | ".join(_commands(run, pause["cause"]))
        yield f"paused by {pause['by']}{why}: {commands}"
    for node in run["nodes"]:
        waiting = node.get("waiting_for") or {}
        if waiting.get("is") == "question":
            place = f"{run['id']} {node['name']}"
            if waiting.get("details") is not None:
                yield f"{node['name']} shows {json.dumps(waiting['details'], ensure_ascii=False)[:DETAILS_CHARS_MAX]}"
            yield f"{node['name']} {waits_for(node)}: penstock approve {place} | penstock reject {place}"


def _commands(run: dict[str, Any], cause: str) -> list[str]:
    if cause == "workflow":
        return [f"penstock workflows resume {run['workflow']}", f"penstock runs cancel {run['id']}"]
    return [f"penstock runs {verb} {run['id']}" for verb in _CHOICES[cause]]


def waits_for(node: dict[str, Any]) -> str:
    """`asks bob or eve: Ship it?`"""
    waiting = node.get("waiting_for") or {}
    until = f" until {formats.date_and_time(node['due_at'])}" if node.get("due_at") else ""
    match waiting.get("is"):
        case "question":
            return f"asks {' or '.join(waiting['assignees']) or 'anybody'}: {waiting['message']}"
        case "event":
            return f"waits for event {waiting['type']}{until}"
        case "moment":
            return f"waits{until}"
        case "child":
            run = f", run {waiting['run']}" if waiting["run"] else ""
            return f"workflow {waiting['workflow']} v{waiting['version']}{run}"
        case "held":
            return f"{waiting['sentence']}"
        case "lookup":
            return "asks the cache"
        case _:
            return ""


def item_counts(items: dict[str, int]) -> str:
    """`40 of 100 succeeded, 2 failed, 8 open`"""
    others = ("failed", "cancelled", "compensated", "open")
    told = "".join(f", {items[state]} {state}" for state in others if items[state])
    return f"{items['succeeded']} of {items['total']} succeeded{told}"


def undoing(compensation: dict[str, Any] | None) -> str:
    """`undoing: backoff, attempt 2: Timeout: too slow`"""
    if compensation is None:
        return ""
    if compensation["skipped_by"]:
        return f"not undone: skipped by {compensation['skipped_by']}"
    failure = f": {formats.failure(compensation['failure'])}" if compensation["failure"] else ""
    return f"undoing: {compensation['state']}, attempt {compensation['attempt']}{failure}"


def subject_of(run: dict[str, Any]) -> str:
    """The subject with the run's number; runs of a version that did not count yet have none."""
    number = "" if run["number"] is None else f" #{run['number']}"
    return f"{run['subject']}{number}" if run["subject"] else ""


def relations(run: dict[str, Any]) -> Iterator[str]:
    """What a run is a part of or comes from, and which runs it has started."""
    if run.get("subject"):
        yield (
            f"subject {subject_of(run)}"
            if run["number"] is None
            else f"run {run['number']} of {run['subject']}"
        )
    if run.get("parent"):
        yield f"part of run {run['parent']['run']}, started by its node {run['parent']['node']}"
    if run.get("source_run"):
        yield f"a fork of run {run['source_run']}"
    if run.get("undo"):
        why = f": {run['undo']['reason']}" if run["undo"]["reason"] else ""
        yield f"undone, asked for by {run['undo']['by']}{why}"
    if run.get("trace_id"):
        yield f"trace {run['trace_id']}"
    for child in run.get("children", ()):
        workflow = f"{child['workflow']} v{child['version']}"
        yield f"{child['node']} started run {child['run']} of {workflow}: {child['state']}"
