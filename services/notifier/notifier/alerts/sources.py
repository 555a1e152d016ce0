"""Reads the section `alertmanagers` of the configuration, strictly: all that is wrong with it at once."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from notifier.alerts.source import (
    Hold,
    Rule,
    Source,
    Verb,
    digest_of_token,
)
from notifier.config import ALERTMANAGERS
from penstock.contracts.names import PROJECT_DEFAULT
from penstock.contracts.workflow import Json
from penstock.definition.fields import NAME_EXPECTED, Fields
from penstock.definition.report import Report

SOURCE_KEYS = ("name", "project", "project_label", "token", "token_file", "hold", "actions")
ACTION_KEYS = ("match", *Verb, "hold")
HOLD_KEYS = ("firing", "resolved")
SOURCES_MAX = 100  # each request's token is compared with all of them
ACTIONS_MAX = 100  # of one source; each alert is compared with all of them
TOKEN_CHARS_MIN = 16  # shorter can be guessed
HOLD_MAX = timedelta(days=1)

_TOKEN = re.compile(r"[\x21-\x7e]+")  # what a header carries without loss
_VERBS = "one of " + ", ".join(Verb)


def read_sources(section: Json, *, folder: Path) -> tuple[Source, ...]:
    """`folder`: where relative `token_file`s are looked for. Raises InvalidInput with every problem."""
    report = Report()
    sources = tuple(_sources(section, report, folder))
    _refuse_twins(sources, report)
    report.raise_if_wrong("the configuration")
    return sources


def _sources(section: Json, report: Report, folder: Path) -> Iterator[Source]:
    if section is None:
        return
    outermost = Fields({}, (ALERTMANAGERS,), report)
    if not isinstance(section, list) or len(section) > SOURCES_MAX:
        expected = f"a list of at most {SOURCES_MAX} sources"
        outermost.wrong_at((ALERTMANAGERS,), expected, section)
        return
    for index, each in enumerate(section):
        fields = outermost.mapping(index, each, "a source: name, project, token_file, actions …")
        if fields is not None:
            yield _source(fields, folder)


def _source(fields: Fields, folder: Path) -> Source:
    fields.only(SOURCE_KEYS)
    fields.require("name", NAME_EXPECTED)
    hold = _hold(fields, Hold())
    label = fields.optional_text("project_label") if "project_label" in fields else None
    return Source(
        name=fields.name("name"),
        project=fields.name("project", PROJECT_DEFAULT),
        token_digest=digest_of_token(_token(fields, folder)),
        project_label=label or None,
        rules=tuple(_rules(fields, hold)),
    )


def _token(fields: Fields, folder: Path) -> str:
    given = [key for key in ("token", "token_file") if key in fields]
    if len(given) != 1:
        problem = "give one of token and token_file" if given else "'token_file' (or 'token') is missing"
        fields.report.error(fields.path, problem)
        return ""
    (key,) = given
    text = fields.value[key]
    if not isinstance(text, str):  # the message goes to a log, so it is without what stands there
        fields.report.error(fields.at(key), "expected text: put it in quotes")
        return ""
    token = _from_file(fields, folder / text) if key == "token_file" else text
    if token is not None and (len(token) < TOKEN_CHARS_MIN or not _TOKEN.fullmatch(token)):
        # Without the token itself: the message goes to a log.
        expected = f"a token of at least {TOKEN_CHARS_MIN} visible ASCII characters"
        fields.report.error(fields.at(key), f"expected {expected}")
    return token or ""


def _from_file(fields: Fields, file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        fields.report.error(fields.at("token_file"), f"{file} cannot be read: {reason}")
        return None


def _rules(source: Fields, hold: Hold) -> Iterator[Rule]:
    value = source.value.get("actions", [])
    if not isinstance(value, list) or len(value) > ACTIONS_MAX:
        source.wrong("actions", f"a list of at most {ACTIONS_MAX} actions", value)
        return
    outer = Fields({}, source.at("actions"), source.report)
    for index, each in enumerate(value):
        fields = outer.mapping(index, each, f"an action: match, {_VERBS}, hold")
        if fields is not None and (rule := _rule(fields, hold)) is not None:
            yield rule


def _rule(fields: Fields, hold: Hold) -> Rule | None:
    fields.only(ACTION_KEYS)
    verbs = [verb for verb in Verb if verb in fields]
    if len(verbs) != 1:
        problem = f"only {_VERBS}, got {', '.join(verbs)}" if verbs else _VERBS
        fields.report.error(fields.path, f"expected {problem}")
    match = _match(fields)
    rules = [
        Rule(match=match, verb=verb, target=fields.name(verb), hold=_hold(fields, hold)) for verb in verbs
    ]
    return rules[0] if len(rules) == 1 else None


def _match(fields: Fields) -> dict[str, str]:
    """An empty one would act on every alert: nobody means that."""
    expected = "labels that an alert must have, such as {alertname: LlmDown}"
    if not fields.require("match", expected):
        return {}
    labels = fields.mapping("match", fields.value["match"], expected)
    if labels is None:
        return {}
    if not labels.value:
        fields.report.error(labels.path, f"expected {expected}, got none")
    return {str(name): labels.text(name) for name in labels.value}


def _hold(fields: Fields, default: Hold) -> Hold:
    if "hold" not in fields:
        return default
    hold = fields.mapping("hold", fields.value["hold"], "{firing: 30s, resolved: 2m}")
    if hold is None:
        return default
    hold.only(HOLD_KEYS)
    return Hold(
        firing=hold.duration("firing", default.firing, least=timedelta(0), most=HOLD_MAX),
        resolved=hold.duration("resolved", default.resolved, least=timedelta(0), most=HOLD_MAX),
    )


def _refuse_twins(sources: tuple[Source, ...], report: Report) -> None:
    names = Counter(source.name for source in sources)
    tokens = Counter(source.token_digest for source in sources if source.token_digest != digest_of_token(""))
    for index, source in enumerate(sources):
        path = (ALERTMANAGERS, index)
        if source.name and names[source.name] > 1:
            report.error((*path, "name"), f"there are {names[source.name]} sources named '{source.name}'")
        if tokens[source.token_digest] > 1:
            report.error(path, "another source has the same token: the token must tell who sends")
