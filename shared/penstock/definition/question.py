"""Whether what an agent asks can be put to a person: its size, its key, its form."""

from penstock.contracts.limits import QUESTION_BYTES_MAX
from penstock.contracts.messages import AgentQuestion
from penstock.contracts.wire import encode
from penstock.definition.schemas import schema_errors

KEY_CHARS_MAX = 100
MESSAGE_CHARS_MAX = 2_000  # it travels in events, and stands in one line
ASSIGNEES_MAX = 50
ASSIGNEE_CHARS_MAX = 200


def why_unaskable(question: AgentQuestion) -> str:
    """What is wrong with it, each thing with its field; empty: nothing."""
    return "; ".join(_problems(question))


def _problems(question: AgentQuestion) -> list[str]:
    problems = []
    if not 0 < len(question.key) <= KEY_CHARS_MAX:
        problems.append(f"key: expected 1 to {KEY_CHARS_MAX} characters, got {len(question.key)}")
    if not question.message.strip() or len(question.message) > MESSAGE_CHARS_MAX:
        got = len(question.message)
        problems.append(f"message: expected 1 to {MESSAGE_CHARS_MAX} characters, got {got}")
    too_long = any(not name or len(name) > ASSIGNEE_CHARS_MAX for name in question.assignees)
    if len(question.assignees) > ASSIGNEES_MAX or too_long:
        expected = f"at most {ASSIGNEES_MAX} names of 1 to {ASSIGNEE_CHARS_MAX} characters"
        problems.append(f"assignees: expected {expected}")
    if question.form is not None:
        problems += [f"{each.path}: {each.message}" for each in schema_errors(question.form, "form")]
    size = len(encode(question))
    if size > QUESTION_BYTES_MAX:
        problems.append(
            f"{size} bytes, the limit of a question is {QUESTION_BYTES_MAX}: hand over large details as artifacts"
        )
    return problems
