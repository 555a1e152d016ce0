"""What people may do to a run, as endpoints."""

from orchestrator.engine.views import RunView
from orchestrator.http.control import (
    ApproveBody,
    ByBody,
    ControlDoor,
    ReasonBody,
    RejectBody,
    SkipBody,
)
from penstock.http.endpoint import Answer, Body, Endpoint, Handle


def control_endpoints(door: ControlDoor) -> tuple[Endpoint, ...]:
    return (*_going_on(door), *_undoing(door), *_answers(door))


def _going_on(door: ControlDoor) -> tuple[Endpoint, ...]:
    return (
        _endpoint(
            door.cancel,
            "cancel",
            "Cancel a run",
            "It is being cancelled, or is cancelled",
            "Nothing new starts; what runs is stopped and waited for.",
            Body(ReasonBody, example={"reason": "wrong repository"}, required=False),
            conflicts="The run has ended",
        ),
        _endpoint(
            door.pause,
            "pause",
            "Pause a run",
            "It is paused",
            "Nothing new starts until it is resumed; what runs goes on to its end.",
            Body(ReasonBody, example={"by": "ada", "reason": "the provider is down"}, required=False),
            conflicts="The run does not run",
        ),
        _endpoint(
            door.resume,
            "resume",
            "Let a paused run go on",
            "It goes on",
            "After a failure (`on_failure: pause`) it goes on without the node that failed; `retry` runs that again.",
            Body(ByBody, required=False),
            conflicts="The run is not paused, or something in it could not be undone: retry or skip that",
        ),
        _endpoint(
            door.retry,
            "retry",
            "Run again what failed or was cancelled",
            "It runs again",
            "Succeeded nodes keep their results. Of a run that is paused because something could not be undone,"
            " the undoing is tried again.",
            Body(ByBody, required=False),
            conflicts="The run has not failed, was not cancelled and is not paused after a failure",
        ),
    )


def _undoing(door: ControlDoor) -> tuple[Endpoint, ...]:
    return (
        _endpoint(
            door.compensate,
            "compensate",
            "Undo what an ended run did",
            "It is being undone, or is undone",
            "Runs the `compensate` of each node that succeeded, the last one first.",
            Body(ReasonBody, example={"by": "ada", "reason": "the order was withdrawn"}, required=False),
            conflicts="The run has not ended, or nothing in it can be undone",
        ),
        _endpoint(
            door.skip,
            "skip",
            "Leave undone what could not be undone",
            "It goes on",
            "For a run that is paused because an undoing failed for good, and somebody has seen to it by hand.",
            Body(SkipBody, example={"by": "ada", "node": "charge"}, required=False),
            conflicts="Nothing that was to be undone has failed",
        ),
    )


def _answers(door: ControlDoor) -> tuple[Endpoint, ...]:
    return (
        _endpoint(
            door.approve,
            "nodes/{node}/approve",
            "Say yes to what a node asks",
            "It is approved",
            "The node succeeds; its output tells who, why, and the fields of the form.",
            Body(ApproveBody, example={"by": "ada", "comment": "looks good", "fields": {}}),
            conflicts="The node does not wait for an answer, or not for that person's",
        ),
        _endpoint(
            door.reject,
            "nodes/{node}/reject",
            "Say no to what a node asks",
            "It is rejected",
            "The node fails; its failure tells who and why.",
            Body(RejectBody, example={"by": "ada", "comment": "not on a Friday"}),
            conflicts="The node does not wait for an answer, or not for that person's",
        ),
    )


def _endpoint(
    handle: Handle, path: str, summary: str, answer: str, description: str, body: Body, *, conflicts: str
) -> Endpoint:
    verb = path.rpartition("/")[2]
    return Endpoint(
        "POST",
        f"/api/v1/runs/{{run_id}}/{path}",
        handle,
        f"{verb}_node" if "node" in path else f"{verb}_run",
        summary,
        {202: Answer(answer, RunView)},
        f"{description} Asking again changes nothing.",
        body=body,
        conflicts=conflicts,
    )
