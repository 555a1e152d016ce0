"""The triggers of a definition that events meet, by name; an alert is an event too."""

from penstock.contracts.workflow import AlertTrigger, EventTrigger, WorkflowDefinition


def event_triggers_of(definition: WorkflowDefinition) -> dict[str, EventTrigger | AlertTrigger]:
    """By name, in the author's order: `event-1`, `alert-1`, each after its place among those of its kind."""
    named: dict[str, EventTrigger | AlertTrigger] = {}
    events = (each for each in definition.triggers if isinstance(each, EventTrigger))
    alerts = (each for each in definition.triggers if isinstance(each, AlertTrigger))
    for place, event in enumerate(events, start=1):
        named[f"event-{place}"] = event
    for place, alert in enumerate(alerts, start=1):
        named[f"alert-{place}"] = alert
    return named
