"""What people have answered to the agent of a unit, by the question's key: JSON, for most units have none of it."""

from penstock.contracts.messages import AgentAnswer
from penstock.contracts.wire import decode, encode

NO_ANSWERS = b"{}"


def answers_of(answers: bytes | None) -> dict[str, AgentAnswer]:
    """In the order in which they were given."""
    return {} if answers is None else decode(answers, dict[str, AgentAnswer])


def with_answer(answers: bytes | None, key: str, answer: AgentAnswer) -> bytes:
    return encode({**answers_of(answers), key: answer})


def answers_kept(answers: bytes | None, *, first_iteration: bool) -> bytes | None:
    """What a person who retries the run need not answer again. Another iteration asked about other things."""
    if answers is None or not first_iteration:
        return None if answers is None else NO_ANSWERS
    return encode({key: answer for key, answer in answers_of(answers).items() if answer.approved})
