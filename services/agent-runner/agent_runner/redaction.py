"""Keeps secrets out of what an attempt logs and how it fails: the value, and the forms it is often seen in.

A form is found wherever it stands in a line. What is spread over several lines is found line by line: each line of a
longer secret, and base64 as tools wrap it.
"""

import base64
import json
import re
import string
from collections.abc import Iterable, Iterator

from penstock.contracts.value import Value

SECRET_CHARS_MIN = 4  # a shorter value would blank out half of every line, and is no secret
MARK = "[redacted]"

_PLAIN = frozenset(string.ascii_letters + string.digits)  # nothing that encodes texts ever touches these
_WRAPS = (64, 76)  # characters after which tools break base64: PEM and openssl, MIME and base64(1)
_BASE64_CHARS_MIN = 4  # four in a row are there by chance once in 16 million

_BASE64 = {"+": (r"\+", "-", "%2[Bb]"), "/": ("/", "_", "%2[Ff]")}  # also URL-safe, also in a URL
_PARTIAL = r"(?:[A-Za-z0-9+/_-]|%2[BbFf])"  # a character that shares bits with what stands beside the secret
_PADDING = r"(?:=|%3[Dd]){0,2}"


class Redaction:
    """Replaces every form of some secrets in a text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._parts = tuple({part for secret in secrets for part in _parts(secret)})
        forms = {form for part in self._parts for form in _forms(part)}
        longest_first = sorted((form.pattern for form in forms), key=len, reverse=True)
        self._pattern = re.compile("|".join(longest_first)) if forms else None
        # Each of its alternatives begins with one certain character, which is what makes a search fast.
        self._trace = (
            re.compile("|".join({start for form in forms for start in form.starts})) if forms else None
        )

    def __call__(self, text: str) -> str:
        if self._trace is None or self._pattern is None or self._trace.search(text) is None:
            return text
        return self._pattern.sub(MARK, text)

    def of_cut(self, text: str) -> str:
        """The same of a text whose end was cut off, perhaps in the middle of a secret."""
        text = self(text)
        for part in self._parts:
            for length in range(min(len(part), len(text)), SECRET_CHARS_MIN - 1, -1):
                if text.endswith(part[:length]):
                    return text[:-length] + MARK
        return text


NOTHING_SECRET = Redaction(())


def _parts(secret: str) -> Iterator[str]:
    """A log is read line by line, so each line of a longer secret (a key file) is one, too."""
    for part in {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}:
        if len(part) >= SECRET_CHARS_MIN:
            yield part


class _Form(Value, frozen=True):
    """One form of a secret: what stands in each place, in one of several spellings; and what may stand around it."""

    places: tuple[tuple[str, ...], ...]
    before: str = ""
    after: str = ""

    @property
    def pattern(self) -> str:
        return self.before + _pattern(self.places) + self.after

    @property
    def starts(self) -> Iterator[str]:
        """Patterns that together find what `pattern` finds."""
        first, *others = self.places
        return (spelling + _pattern(others) for spelling in first)


def _pattern(places: Iterable[tuple[str, ...]]) -> str:
    return "".join(place[0] if len(place) == 1 else f"(?:{'|'.join(place)})" for place in places)


def _forms(part: str) -> Iterator[_Form]:
    yield _Form(tuple(map(_spellings, part)))
    yield from _base64_forms(part.encode("utf-8", "replace"))


def _spellings(character: str) -> tuple[str, ...]:
    """A character in a URL (whoever encoded it, and whatever they left as it is), in JSON, and as it is."""
    if character in _PLAIN:
        return (character,)
    percent = "".join(f"%{_hex(byte)}" for byte in character.encode("utf-8", "replace"))
    escaped = json.dumps(character)[1:-1]
    units = re.findall(r"\\u(..)(..)", escaped)
    in_json = "".join(rf"\\u{_hex(int(a, 16))}{_hex(int(b, 16))}" for a, b in units) or re.escape(escaped)
    spaces = ["\\+"] if character == " " else []
    return tuple(dict.fromkeys((percent, in_json, re.escape(character), *spaces)))


def _hex(byte: int) -> str:
    """Two digits, in either case."""
    return "".join(f"[{digit.upper()}{digit}]" if digit.isalpha() else digit for digit in f"{byte:02x}")


def _base64_forms(secret: bytes) -> Iterator[_Form]:
    """As it looks inside the base64 of a longer text (`user:secret`), whose start shifts it by 0, 1 or 2 bytes."""
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + secret).decode()
        start = -(-shift * 8 // 6)  # characters that also hold bits of what stands before
        whole = (len(secret) + shift) * 8 // 6  # a last character may also hold bits of what follows
        core = encoded[start:whole]
        before = f"{_PARTIAL}?" if shift else ""
        after = f"(?:{_PARTIAL}{_PADDING})?" if (len(secret) + shift) % 3 else ""
        if len(core) >= _BASE64_CHARS_MIN:
            yield _Form(_in_base64(core), before, after)
        if not shift:
            yield from _wrapped(core, after)


def _wrapped(core: str, after: str) -> Iterator[_Form]:
    """The lines of the secret's own base64, where it is too long for one."""
    for width in _WRAPS:
        lines = [core[start : start + width] for start in range(0, len(core), width)]
        for line in lines if len(lines) > 1 else ():
            if len(line) >= 2 * _BASE64_CHARS_MIN:
                yield _Form(_in_base64(line), after=after if line is lines[-1] else "")


def _in_base64(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(_BASE64.get(character, (character,)) for character in text)
