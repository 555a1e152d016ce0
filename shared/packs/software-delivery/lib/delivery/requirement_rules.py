"""The analysis by rules, without a model: what a sentence asks for is found by its verbs, resources and fields.

The rules know the sentences that the pack's README lists. What they do not know becomes a requirement with a gap.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from delivery.analysis import (
    RESOURCES_MAX,
    Analysis,
    Guard,
    Requirement,
    Resource,
    Transition,
    operation_id,
    snake,
)
from delivery.document import Document, Sentence
from delivery.grammar import constrained, resource_in

NEEDS_MODEL = "no rule of the analysis fits this sentence; it needs a model, or a person"

SENTENCE_CHARS_MAX = 600  # the patterns of longer ones could take minutes
TOO_LONG = f"the sentence has more than {SENTENCE_CHARS_MAX} characters; it needs a model, or a person"

_VERBS = {
    "create": "add adds create creates register registers record records enter enters store new",
    "list": "list lists browse see show shows all overview search searches filter filters find finds",
    "read": "read reads open opens view views look fetch get gets",
    "update": "change changes update updates edit edits correct corrects rename renames modify",
    "delete": "delete deletes deleted remove removes removed discard discards",
}
_OPERATION_OF = {word: name for name, words in _VERBS.items() for word in words.split()}
_LEVELS = {
    "must": "must shall can muss müssen kann können",
    "should": "should soll sollen sollte sollten",
    "may": "may darf dürfen",
    "story": "möchte",
}  # German is not read, but what it asks for must not be lost without a word
_LEVEL_OF = {word: level for level, words in _LEVELS.items() for word in words.split()}
_LEVEL = re.compile(rf"\b({'|'.join(_LEVEL_OF)})\b", re.IGNORECASE)
_OBLIGED = re.compile(r"\b(?:has|have|needs?) to\b", re.IGNORECASE)
_STORY = re.compile(r"as an? .+?,? i (?:want|would like|need|wish) to (.+)", re.IGNORECASE)
_TRANSITION = re.compile(
    r"to (\w+) an? ([\w -]+?) changes (?:its|the) ([\w -]+?) from ([\w-]+) to ([\w-]+)\.?$", re.IGNORECASE
)
_GUARD = re.compile(
    r"an? ([\w -]+?) (?:must not|cannot|may not|must never) be (deleted|removed|changed|updated|edited) "
    r"while its ([\w -]+?) is ([\w-]+)\.?$",
    re.IGNORECASE,
)
_CONSTRAINT = re.compile(
    r"(?:the ([\w -]+?) of (?:an?|each|every) ([\w -]+?)|(?:an?|each|every) ([\w -]+?)'s ([\w -]+?)) must "
    r"(?:be |have )?(.+?)\.?$",
    re.IGNORECASE,
)
_PLAIN = {  # what a sentence speaks of → what covers it, whatever the resources are
    r"\b(http|rest|web service|web api)\b": "binding:http",
    r"\b(command line|command-line|terminal|shell)\b": "binding:command",
    r"\b(imported|from python|python library|as a library)\b": "binding:python",
    r"\b(health|monitor\w*|is alive)\b": "getHealth",
    r"\bversion\b": "getVersion",
    r"\b(events?|change log|audit|history of changes)\b": "listChangeEvents",
    r"\b(sqlite|restarts?|persist\w*|survives?|on disk)\b": "storage",
}


@dataclass
class _Reading:
    """The resources so far, by name; sentences add to them."""

    resources: dict[str, Resource]

    def called(self, text: str) -> Resource | None:
        name = snake(text)
        return next((each for each in self.resources.values() if name in (each.name, each.plural)), None)

    def keep(self, changed: Resource) -> None:
        self.resources[changed.name] = changed


def analyse(document: Document) -> Analysis:
    """What the rules make of the document. Order matters: first things, then how they move, then what is asked."""
    legible = [each for each in document.sentences if len(each.text) <= SENTENCE_CHARS_MAX]
    reading, notes = _things(legible)
    if len(reading.resources) > RESOURCES_MAX:  # refused anyhow; each sentence is looked at for each of them
        return Analysis(document.title, "", [*reading.resources.values()], [])
    notes += [
        Requirement("", "must", each.text[:SENTENCE_CHARS_MAX], each.line, gap=TOO_LONG)
        for each in document.sentences
        if len(each.text) > SENTENCE_CHARS_MAX
    ]
    asking = [each for each in legible if resource_in(each) is None]
    covered = [(each, _structure(each, reading)) for each in asking]
    requirements = [
        found
        for sentence, covers in covered
        if (found := _requirement(sentence, covers, reading)) is not None
    ]
    resources = [_complete(each) for each in reading.resources.values()]
    return Analysis(
        title=document.title,
        summary=next((each.text for each in asking if not _LEVEL.search(each.text)), document.title),
        resources=resources,
        requirements=_numbered([*requirements, *notes]),
    )


def _things(sentences: Iterable[Sentence]) -> tuple[_Reading, list[Requirement]]:
    reading, notes = _Reading({}), []
    for sentence in sentences:
        found = resource_in(sentence)
        if found is None:
            continue
        former = reading.resources.get(found.resource.name)
        fields = [*(former.fields if former else []), *found.resource.fields]
        unique = {each.name: each for each in fields}
        reading.keep(replace(found.resource, fields=list(unique.values())))
        notes += [
            Requirement("", "must", sentence.text, sentence.line, gap=problem) for problem in found.problems
        ]
    return reading, notes


def _structure(sentence: Sentence, reading: _Reading) -> list[str] | None:
    """What a sentence says of how a resource moves or is guarded or bounded; None if it says nothing such."""
    if match := _TRANSITION.match(sentence.text):
        resource = reading.called(match[2])
        if resource and resource.field_named(snake(match[3])):
            moved = Transition(match[1].lower(), snake(match[3]), match[4], match[5])
            reading.keep(replace(resource, transitions=[*resource.transitions, moved]))
            return [operation_id(moved.name, resource)]
    if match := _GUARD.match(sentence.text):
        resource = reading.called(match[1])
        if resource and resource.field_named(snake(match[3])):
            operation: Literal["update", "delete"] = (
                "delete" if match[2].lower() in ("deleted", "removed") else "update"
            )
            guard = Guard(operation, snake(match[3]), match[4])
            reading.keep(_doing(replace(resource, guards=[*resource.guards, guard]), [operation]))
            return [operation_id(operation, resource)]
    if match := _CONSTRAINT.match(sentence.text):
        return _constrain(match[2] or match[3], match[1] or match[4], match[5], reading)
    return None


def _constrain(named: str, field_named: str, rule: str, reading: _Reading) -> list[str] | None:
    resource = reading.called(named)
    field = resource.field_named(snake(field_named)) if resource else None
    rule = {"not be empty": "required", "empty": ""}.get(rule.lower(), rule)
    changed = constrained(field, rule) if field else None
    if resource is None or changed is None:
        return None
    reading.keep(resource.with_field(changed))
    return [operation_id("create", resource)]


def _requirement(sentence: Sentence, covers: list[str] | None, reading: _Reading) -> Requirement | None:
    story, level = _STORY.match(sentence.text), _LEVEL.search(sentence.text)
    if covers is None and story is None and level is None and not _OBLIGED.search(sentence.text):
        return None
    said = "story" if story else _LEVEL_OF[level[1].lower() if level else "must"]
    if covers is None:
        covers = _asked(story[1] if story else sentence.text, reading)
    gap = "" if covers else NEEDS_MODEL
    return Requirement("", said, sentence.text, sentence.line, covers=covers, gap=gap)  # type: ignore[arg-type]


def _asked(text: str, reading: _Reading) -> list[str]:
    """The operations that a sentence asks for, after its resources were given them."""
    text = re.split(r",? so that ", text, maxsplit=1)[0].lower()
    if re.search(r"\b(not|never|cannot|only|unless|without|if|when)\b", text):
        return []  # a condition: what it asks for is more than the operation that it names
    plain = [covers for pattern, covers in _PLAIN.items() if re.search(pattern, text)]
    operations = [name for resource in [*reading.resources.values()] for name in _of(resource, text, reading)]
    return operations or plain


def _of(resource: Resource, text: str, reading: _Reading) -> list[str]:
    names = "|".join(name.replace("_", "[ _-]") for name in (resource.plural, resource.name))
    match = re.search(rf"\b(?:{names})\b", text)
    if match is None:
        return []
    words = re.findall(r"[a-z]+", text[: match.start()])
    verbs = [_OPERATION_OF[word] for word in words if word in _OPERATION_OF]
    moves = [each.name for each in resource.transitions if each.name in words]
    filters = _filters(resource, text[match.end() :])
    if filters is None or _is_foreign(words, moves, resource):
        return []
    if filters or ("read" in verbs and match[0].replace(" ", "_") == resource.plural):
        verbs = ["list" if verb == "read" else verb for verb in verbs] or ["list"]
    doing = _doing(resource, verbs)
    reading.keep(replace(doing, filters=[*dict.fromkeys([*doing.filters, *filters])]))
    return [operation_id(name, resource) for name in dict.fromkeys([*verbs, *moves])]


def _is_foreign(words: list[str], moves: list[str], resource: Resource) -> bool:
    """Whether the sentence asks for doing something that nobody has described ("must export all books")."""
    after = re.search(r"\b(?:must|shall|should|may|can|to) (?:be able to )?(\w+)", " ".join(words))
    verb = after[1] if after else (words[0] if words else "")
    fine = {*_OPERATION_OF, *moves, "be", "a", "an", "offer", "provide", "allow", "let", "support"}
    return verb not in fine


def _filters(resource: Resource, rest: str) -> list[str] | None:
    """The fields after "by": `by author and by year`; None if one of them is no field."""
    match = re.match(r"\s+by (?:their |its |the )?(.+?)[.,]?$", rest)
    if match is None:
        return [] if re.fullmatch(r"[\s.,]*(?:from the (?:catalogue|list))?[\s.]*", rest) else None
    named = [snake(part) for part in re.split(r",|\band\b|\bor\b|\bby\b", match[1])]
    fields = [name for name in named if name]
    return fields if all(resource.field_named(name) for name in fields) else None


def _doing(resource: Resource, operations: Iterable[str]) -> Resource:
    return replace(resource, operations=[*dict.fromkeys([*resource.operations, *operations])])  # type: ignore[list-item]


def _complete(resource: Resource) -> Resource:
    """Nothing can be looked at that cannot be created: these three are always there."""
    wanted = {"create", "read", "list", *resource.operations}
    order = ("create", "read", "list", "update", "delete")
    return replace(resource, operations=[name for name in order if name in wanted])


def _numbered(requirements: list[Requirement]) -> list[Requirement]:
    ordered = sorted(requirements, key=lambda each: each.line)
    return [replace(each, id=f"R{number}") for number, each in enumerate(ordered, start=1)]
