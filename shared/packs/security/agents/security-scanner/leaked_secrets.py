"""Leaked secrets, found by detect-secrets in every text file. Nothing is verified over the network.

The library's own loop asks every detector about every line through reflection, 3 s per MB. Here a cheap look
at the line decides which detectors are asked at all; detectors and filters are the library's.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from io import StringIO
from typing import Any, cast

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.filters import allowlist, heuristic
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.high_entropy_strings import HighEntropyStringsPlugin
from detect_secrets.settings import get_plugins, get_settings, transient_settings
from detect_secrets.transformers import get_transformed_file
from detect_secrets.types import NamedIO
from detect_secrets.util.code_snippet import CodeSnippet
from guard.finding import Finding, excerpt_of
from guard.tree import SourceFile

LINE_CHARS_MIN = 8
LINE_CHARS_MAX = 2_000  # a longer line is minified or data, and makes the regular expressions slow
TRANSFORMED_CHARS_MAX = 64 * 1024  # a longer settings file is generated, and parsing it costs seconds
VERIFICATION = (
    "detect_secrets.filters.common.is_ignored_due_to_verification_policies"  # would use the network
)
DETECTORS_SKIPPED = {"IPPublicDetector"}  # an address is no secret
SETTINGS_FILES = re.compile(r"(^|/)(\.env[^/]*|[^/]+\.env|Dockerfile[^/]*|[^/]+\.(sh|bash))$")
HELP = "Revoke it where it was issued, then read it from a secret store or the environment; git remembers."

# Keyword and entropy are guesses about names and shapes; every other detector knows a format.
_GUESSED = {
    "Secret Keyword": ("medium", "medium"),
    "Basic Auth Credentials": ("medium", "medium"),
    "Base64 High Entropy String": ("low", "low"),
    "Hex High Entropy String": ("low", "low"),
}
_WORDS = {
    "Secret Keyword": "What looks like a password or key",
    "Base64 High Entropy String": "Random-looking text (base64)",
    "Hex High Entropy String": "Random-looking text (hexadecimal)",
}
_KNOWN_FORMAT = ("high", "high")
_KEYWORD = re.compile(r"key|pass|pwd|secret|contrase", re.IGNORECASE)
_SETTING_WORDS = ("key", "pw", "pass", "token")
_LONG_QUOTED = re.compile(r"['\"][A-Za-z0-9+/\-_=]{16,}['\"]")
_PUBLIC_PREFIX = re.compile(r"AKIA|ASIA|gh[pousr]_|glpat-|xox[abp]-|sk_live_|sk-|npm_|pypi-|SG\.")
_PLACEHOLDER = re.compile(
    r"^(\W*|x+|true|false|null|none|yes|no"
    r"|.*(change[-_ ]?me|example\.|placeholder|your[-_ ]|dummy|\$\{|\{\{|%\().*)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Secret:
    """A secret in the clear: never leaves this process."""

    type: str
    value: str
    line: int


def scan(files: Sequence[SourceFile]) -> tuple[list[Finding], dict[str, set[str]]]:
    """The findings, and per file the secrets in the clear, for masking them wherever a line is quoted."""
    kinds: list[type] = list(get_mapping_from_secret_type_to_class().values())
    plugins = [{"name": kind.__name__} for kind in kinds if kind.__name__ not in DETECTORS_SKIPPED]
    findings: list[Finding] = []
    clear: dict[str, set[str]] = {}
    with transient_settings({"plugins_used": plugins}):
        get_settings().disable_filters(VERIFICATION)
        detectors = get_plugins()
        for file in files:
            if heuristic.is_non_text_file(file.name) or heuristic.is_lock_file(file.name):
                continue
            secrets = _strongest(_in_file(file, detectors))
            clear[file.name] = {secret.value for secret in secrets if not secret.value.startswith("BEGIN")}
            findings.extend(_finding(secret, file=file, hide=clear[file.name]) for secret in secrets)
    return findings, clear


def mask(text: str, *, secrets: set[str]) -> str:
    """Hide each secret. Only the public prefix of a known format stays, to tell whose key it is."""
    for secret in sorted(secrets, key=len, reverse=True):
        prefix = _PUBLIC_PREFIX.match(secret)
        text = text.replace(secret, (prefix[0] if prefix else "") + "********")
    return text


def tool() -> str:
    return version("detect-secrets")


def _in_file(file: SourceFile, detectors: Sequence[Any]) -> Iterator[Secret]:
    lines = file.text().split("\n")
    name = f"{file.name}.properties" if SETTINGS_FILES.search(file.name) else file.name
    if not heuristic.is_swagger_file(name):
        yield from _in_lines(lines, name=name, detectors=detectors)
        yield from _in_lines(_as_quoted(file, name=name), name=name, detectors=detectors)


def _as_quoted(file: SourceFile, *, name: str) -> list[str]:
    """The values of a settings file as quoted strings, on their lines: entropy is measured on those only."""
    if not name.endswith((".yaml", ".yml", ".ini", ".cfg", ".conf", ".properties", ".toml")):
        return []
    text = file.text()
    if len(text) > TRANSFORMED_CHARS_MAX:
        return []
    stream = cast(NamedIO, StringIO(text))
    stream.name = name  # the library reads it, a StringIO has none
    return get_transformed_file(stream) or get_transformed_file(stream, use_eager_transformers=True) or []


def _in_lines(lines: Sequence[str], *, name: str, detectors: Sequence[Any]) -> Iterator[Secret]:
    text = "\n".join(lines)
    detectors = [detector for detector in detectors if _worth_asking(detector, text, is_whole=True)]
    for index, line in enumerate(lines if detectors else ()):
        if len(line) < LINE_CHARS_MIN or len(line) > LINE_CHARS_MAX:
            continue
        found = [
            (detector, secret.secret_value)
            for detector in detectors
            if _worth_asking(detector, line)
            for secret in detector.analyze_line(filename=name, line=line, line_number=index + 1)
        ]
        if found and not _is_allowed(lines, index, name=name):
            yield from (
                Secret(type=detector.secret_type, value=value, line=index + 1)
                for detector, value in found
                if not _is_harmless(value, line=line, detector=detector)
            )


def _worth_asking(detector: Any, text: str, *, is_whole: bool = False) -> bool:
    """Whether a line can hold what the detector knows; or, of a whole file, any of its lines."""
    if isinstance(detector, RegexBasedDetector):
        if is_whole:
            return any(pattern.search(text) for pattern in _of_lines(type(detector), _names_setting(text)))
        return any(pattern.search(text) for pattern in detector.denylist)
    if isinstance(detector, HighEntropyStringsPlugin):
        return _LONG_QUOTED.search(text) is not None
    return _KEYWORD.search(text) is not None


@lru_cache(maxsize=4)  # asked by each detector about the same text
def _names_setting(text: str) -> bool:
    """Whether a setting of the text may be called like a secret. Letters beyond ASCII can be one to a pattern."""
    lower = text.lower()
    return not text.isascii() or any(word in lower for word in _SETTING_WORDS)


@cache
def _of_lines(detector: type[RegexBasedDetector], names_setting: bool) -> list[re.Pattern[str]]:
    """The detector's patterns for a whole file: `^` and `$` are then those of any line."""
    return [
        re.compile(pattern.pattern, pattern.flags | re.MULTILINE)
        for pattern in detector.denylist
        if names_setting or not _is_of_setting(pattern.pattern)
    ]


def _is_of_setting(pattern: str) -> bool:
    """Whether it cannot match without one of the words. They are slow, for all else in them may be left out."""
    must = re.search(r"\(\?:key\|pwd\|(?:pw\|)?password\|pass\|token\)(?![?*{])", pattern)
    return must is not None or "(?:secret[-_]?(?:access)?[-_]?key)" in pattern


def _is_allowed(lines: Sequence[str], index: int, *, name: str) -> bool:
    """Whether the authors marked the line with "pragma: allowlist secret"."""
    before = [lines[index - 1]] if index else [""]
    context = CodeSnippet(snippet=[*before, lines[index]], start_line=index, target_index=1)
    return bool(allowlist.is_line_allowlisted(name, lines[index], context))


def _is_harmless(value: str, *, line: str, detector: Any) -> bool:
    """The library's own heuristics, and placeholders."""
    is_guess = detector.secret_type in _GUESSED
    return bool(
        heuristic.is_sequential_string(value)
        or heuristic.is_potential_uuid(value)
        or heuristic.is_likely_id_string(value, line, detector)
        or heuristic.is_templated_secret(value)
        or heuristic.is_prefixed_with_dollar_sign(value)
        or heuristic.is_not_alphanumeric_string(value)
        or (is_guess and (_is_label(value) or heuristic.is_indirect_reference(line)))
    )


def _is_label(value: str) -> bool:
    """A placeholder, or a word for a secret in the place of one: {"password": "Password"}."""
    return bool(_PLACEHOLDER.match(value) or (value.isalpha() and _KEYWORD.search(value)))


def _strongest(secrets: Iterator[Secret]) -> list[Secret]:
    """One secret for each line and value, by the detector that knows most of it."""
    best: dict[tuple[int, str], Secret] = {}
    for secret in secrets:
        key = next((at for at in best if at[0] == secret.line and _overlap(at[1], secret.value)), None)
        if key is None:
            best[secret.line, secret.value] = secret
        elif secret.type not in _GUESSED and best[key].type in _GUESSED:
            del best[key]
            best[secret.line, secret.value] = secret
    return list(best.values())


def _overlap(one: str, other: str) -> bool:
    return one in other or other in one


def _finding(secret: Secret, *, file: SourceFile, hide: set[str]) -> Finding:
    severity, confidence = _GUESSED.get(secret.type, _KNOWN_FORMAT)
    return Finding(
        kind="secret",
        rule="detect-secrets/" + re.sub(r"[^a-z0-9]+", "-", secret.type.lower()).strip("-"),
        severity="low" if file.is_test and secret.type in _GUESSED else severity,
        confidence=confidence,
        file=file.name,
        line=secret.line,
        message=f"{_WORDS.get(secret.type, secret.type)} in the clear",
        excerpt=excerpt_of(mask(file.line(secret.line), secrets=hide)),
        cwe="CWE-798",
        help=HELP,
    )


def _load() -> None:
    """Whatever the first scan would load or compile: once in a worker, and no more in its forks."""
    scan([])
    for kind in get_mapping_from_secret_type_to_class().values():
        if issubclass(kind, RegexBasedDetector):
            for names_setting in (True, False):
                _of_lines(kind, names_setting)


_load()
