"""What agents ask people: the answer if there is one, else the attempt is parked until there is."""

import msgspec

from agent_runner.gateway.requests import Refused
from agent_runner.held import Held
from penstock.contracts.budget import QUESTION_PREFIX
from penstock.contracts.limits import ANSWER_BYTES_MAX, ANSWERS_BYTES_MAX, KIB, QUESTIONS_PER_NODE_MAX
from penstock.contracts.messages import AgentAnswer, AgentQuestion
from penstock.contracts.wire import encode
from penstock.definition.question import why_unaskable

_BYTES_AROUND = 16 * KIB  # of one answer besides its fields: its key, who gave it, the comment


class QuestionAsked(AgentQuestion, frozen=True, forbid_unknown_fields=True):
    """The body of POST /v1/questions."""


def answer_or_park(held: Held, body: bytes) -> AgentAnswer:
    """Raises Refused: 423 when the attempt is parked now. An answer stands, however the agent words it again."""
    asked = _asked(body)
    answer = held.order.answers.get(asked.key)
    if answer is not None:
        return answer
    _check_room(held)
    if not held.park(asked):
        raise Refused(409, "this attempt is being stopped: nobody can be asked for it any more")
    raise Refused(423, "this attempt ends now; another one goes on here once a person has answered")


def _asked(body: bytes) -> AgentQuestion:
    try:
        asked = msgspec.json.decode(body, type=QuestionAsked)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        expected = "{key, message, details?, form?, assignees?, no_self_approval?}"
        raise Refused(422, f"expected {expected}: {error}") from error
    question = AgentQuestion(*msgspec.structs.astuple(asked))
    if question.key.startswith(QUESTION_PREFIX):
        raise Refused(422, f"key: '{QUESTION_PREFIX}…' is for what Penstock itself asks about budgets")
    if why := why_unaskable(question):
        raise Refused(422, why)
    return question


def _check_room(held: Held) -> None:
    """An answer that has been asked for must find its place in the order of the next attempt."""
    answers = held.order.answers
    if len(answers) >= QUESTIONS_PER_NODE_MAX:
        raise Refused(
            413, f"this node has asked {len(answers)} questions, the limit is {QUESTIONS_PER_NODE_MAX}"
        )
    size = len(encode(answers))
    if size + ANSWER_BYTES_MAX + _BYTES_AROUND > ANSWERS_BYTES_MAX:
        raise Refused(
            413,
            f"the answers to this node's questions have {size} bytes; with another one they could pass the "
            f"limit of {ANSWERS_BYTES_MAX}: ask for less in the forms, or have files handed over as artifacts",
        )
