"""A person's answer to a node that asks: that there is such a node, and that the fields fit its form."""

from orchestrator.domain.events import Answered
from orchestrator.domain.plan import Plan
from penstock.contracts.errors import Conflict, InvalidInput, LimitExceeded, NotFound, Problem
from penstock.contracts.limits import ANSWER_BYTES_MAX
from penstock.contracts.wire import encode
from penstock.contracts.workflow import ApprovalDefinition, Json, NodeKind
from penstock.definition.values import check_value


def check_answer(plan: Plan, answer: Answered) -> None:
    """Raises NotFound with the nearest node, Conflict, LimitExceeded, and InvalidInput with each field's path."""
    planned = plan.nodes.get(answer.node)
    if planned is None:
        raise NotFound("node", answer.node, tuple(plan.nodes))
    approval = planned.definition.approval
    if approval is None:
        raise Conflict(_no_question(plan, answer.node, planned.definition.kind))
    if answer.approved:
        _check_fields(approval, answer.fields)


def _no_question(plan: Plan, node: str, kind: NodeKind) -> str:
    asking = [name for name, planned in plan.nodes.items() if planned.definition.approval is not None]
    known = (
        f": only {', '.join(asking)} can be answered" if asking else ": nor does any other of the workflow"
    )
    return f"node '{node}' (of kind {kind}) never waits for an answer{known}"


def _check_fields(approval: ApprovalDefinition, fields: dict[str, Json]) -> None:
    size = len(encode(fields))
    if size > ANSWER_BYTES_MAX:
        raise LimitExceeded.at("fields", f"{size} bytes, the limit is {ANSWER_BYTES_MAX}")
    if approval.form is None:
        message = "the question has no form: expected no fields"
        problems = tuple(Problem(f"fields.{name}", message) for name in fields)
    else:
        problems = check_value(approval.form, fields, where="fields")
    if problems:
        raise InvalidInput("the answer does not fit the form of the question", problems)
