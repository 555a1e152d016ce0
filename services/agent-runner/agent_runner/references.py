"""Finding artifacts in JSON values, and replacing them: by paths on the way in, by URIs on the way out. Pure."""

from collections.abc import Callable, Mapping

from penstock.contracts.artifact import ArtifactReference, parse
from penstock.contracts.workflow import Json


def references_in(value: Json) -> tuple[ArtifactReference, ...]:
    """Each artifact that a string of `value` names, once, in order of appearance."""
    found = (parse(text) for text in _strings(value))
    return tuple(dict.fromkeys(reference for reference in found if reference is not None))


def paths_below(value: Json, folder: str) -> tuple[str, ...]:
    """Each string of `value` that is a path below `folder`, relative to it, once. Existing or not."""
    prefix = folder.rstrip("/") + "/"
    found = (text[len(prefix) :] for text in _strings(value) if text.startswith(prefix))
    return tuple(dict.fromkeys(relative for relative in found if _is_plain(relative)))


def replaced(value: Json, names: Mapping[str, str]) -> Json:
    """`value` with each string that is a key of `names` replaced by what it stands for."""
    return _mapped(value, lambda text: names.get(text, text))


def _is_plain(relative: str) -> bool:
    """Whether the path goes straight down; a trailing slash is how people write a folder."""
    parts = relative.removesuffix("/").split("/")
    return all(part not in ("", ".", "..") and "\x00" not in part for part in parts)


def _strings(value: Json) -> list[str]:
    """All strings that are values; keys name nothing."""
    found: list[str] = []
    stack: list[Json] = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, dict):
            stack.extend(reversed(item.values()))
        elif isinstance(item, list):
            stack.extend(reversed(item))
    return found


def _mapped(value: Json, change: Callable[[str], str]) -> Json:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    return value
