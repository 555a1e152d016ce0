"""What a call took: tokens as its provider tells them, or an estimate that says so."""

from typing import Any

from penstock.contracts.value import Value

_BYTES_PER_TOKEN = 4  # what English takes in the usual tokenizers; an estimate, not a limit
TOKENS_MAX = 10**9  # of one call; a provider that tells more has made it up


class Tokens(Value, frozen=True):
    tokens_in: int = 0
    tokens_out: int = 0
    is_estimated: bool = False


NO_TOKENS = Tokens()


def tokens_told(usage: Any) -> Tokens | None:
    """Of a `usage` object, or None if it says nothing."""
    if not isinstance(usage, dict):
        return None
    told = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    if not isinstance(told[0], int) or isinstance(told[0], bool):
        return None
    tokens_in, tokens_out = (min(max(each, 0), TOKENS_MAX) if isinstance(each, int) else 0 for each in told)
    return Tokens(tokens_in, tokens_out)


def tokens_estimated(*, bytes_in: int, bytes_out: int) -> Tokens:
    return Tokens(-(-bytes_in // _BYTES_PER_TOKEN), -(-bytes_out // _BYTES_PER_TOKEN), is_estimated=True)
