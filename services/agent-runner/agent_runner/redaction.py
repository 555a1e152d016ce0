"""Keeps secrets out of what an attempt logs and how it fails: the value, and the forms it is often seen in."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

SECRET_CHARS_MIN = 4  # a shorter value would blank out half of every line, and is no secret
MARK = "[redacted]"

_BASE64_CHARS = 4  # for three bytes


class Redaction:
    """Replaces every form of some secrets in a text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= SECRET_CHARS_MIN}
        longest_first = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(MARK, text)


NOTHING_SECRET = Redaction(())


def _forms(secret: str) -> Iterator[str]:
    """A log is read line by line, so each line of a longer secret (a key file) is one, too."""
    for part in {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}:
        if len(part) < SECRET_CHARS_MIN:
            continue
        yield part
        yield quote(part, safe="")
        yield quote(part)
        yield quote_plus(part)
        yield json.dumps(part)[1:-1]
        yield from _base64_forms(part.encode())


def _base64_forms(secret: bytes) -> Iterator[str]:
    """As it looks inside the base64 of a longer text (`user:secret`), whose start shifts it by 0, 1 or 2 bytes."""
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + secret).decode().rstrip("=")
        start = -(-shift * 8 // 6)  # characters that also hold bits of what stands before
        whole = (len(secret) + shift) * 8 // 6  # a last character may also hold bits of what follows
        core = encoded[start:whole]
        if len(core) >= 2 * _BASE64_CHARS:  # a shorter one is found by chance in any text
            yield core
            yield core.replace("+", "-").replace("/", "_")
