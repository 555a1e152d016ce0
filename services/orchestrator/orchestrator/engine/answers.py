"""A person's answer to a node that asks: that there is such a node, and that the fields fit its form."""

from orchestrator.domain.detail import Question
from orchestrator.domain.events import Answered
from orchestrator.domain.run import Run
from penstock.contracts.errors import Conflict, InvalidInput, LimitExceeded, NotFound, Problem
from penstock.contracts.limits import ANSWER_BYTES_MAX
from penstock.contracts.value import replace
from penstock.contracts.wire import encode
from penstock.contracts.workflow import Json, NodeKind
from penstock.definition.values import check_value


def check_answer(run: Run, answer: Answered) -> Answered:
    """The answer, to that question of the node's agent which is open now and whose form it fits.

    Raises NotFound with the nearest node, Conflict, LimitExceeded, and InvalidInput with each field's path.
    """
    plan, unit = run.plan, run.nodes.get(answer.node)
    if unit is None:
        raise NotFound("node", answer.node, tuple(plan.nodes))
    question = unit.detail if isinstance(unit.detail, Question) else None
    definition = plan.planned(answer.node).definition
    if question is None and definition.approval is None and unit.answers is None:
        raise Conflict(_no_question(run, answer.node, definition.kind))
    if question is not None and answer.question not in (None, question.key):
        return answer  # meant for another question: what that means is for the core to say
    if answer.approved and (question is not None or definition.approval is not None):
        approval = definition.approval
        form = question.form if question is not None else approval.form if approval is not None else None
        _check_fields(answer.fields, form)
    return answer if question is None else replace(answer, question=question.key)


def _no_question(run: Run, node: str, kind: NodeKind) -> str:
    approvals = [name for name, planned in run.plan.nodes.items() if planned.definition.approval is not None]
    agents = [
        name for name, unit in run.nodes.items() if isinstance(unit.detail, Question) and unit.detail.key
    ]
    asking = [*approvals, *agents]
    known = f"only {', '.join(asking)} can be answered" if asking else "nor does any other of the run"
    why = ": its agent has asked nothing" if kind is NodeKind.AGENT else f", for it is of kind {kind}"
    return f"node '{node}' waits for no answer{why}; {known}"


def _check_fields(fields: dict[str, Json], form: Json) -> None:
    size = len(encode(fields))
    if size > ANSWER_BYTES_MAX:
        raise LimitExceeded.at("fields", f"{size} bytes, the limit is {ANSWER_BYTES_MAX}")
    if form is None:
        message = "the question has no form: expected no fields"
        problems = tuple(Problem(f"fields.{name}", message) for name in fields)
    else:
        problems = check_value(form, fields, where="fields")
    if problems:
        raise InvalidInput("the answer does not fit the form of the question", problems)
