"""What several channels' options have: addresses of targets, and secrets as text or in files."""

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from penstock.contracts.limits import KIB
from penstock.contracts.value import Value
from penstock.definition.fields import Fields

URL_CHARS_MAX = 2_000
TEXT_CHARS_MAX = 1_000
SECRET_BYTES_MAX = 16 * KIB
URL_EXPECTED = "an address like https://example.org/path"


class Secret(Value, frozen=True):
    """A text that is never shown: not in answers, not in logs, not in errors."""

    value: str

    def __repr__(self) -> str:
        return "Secret(…)"


class Source(Value, frozen=True):
    """Where a document comes from. Only an operator's file may name files; relative ones are below `folder`."""

    folder: Path | None = None

    @property
    def may_name_files(self) -> bool:
        return self.folder is not None


API = Source()


def url(fields: Fields, key: str = "url") -> str:
    """An http or https address; empty when it is missing or wrong, which is in the report."""
    if not fields.require(key, URL_EXPECTED):
        return ""
    text = fields.text(key)
    if text and (wrong := _wrong_url(text)):
        fields.report.error(fields.at(key), f"expected {URL_EXPECTED}: {wrong}")  # the text may hold a secret
        return ""
    return text


def _wrong_url(text: str) -> str:
    if len(text) > URL_CHARS_MAX:
        return f"it has {len(text)} characters; at most {URL_CHARS_MAX}"
    if not text.isascii() or any(character <= " " for character in text):
        return "only printable ASCII without spaces"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # its words would show a part of it
        return "its port or its brackets are wrong"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return "it has no http or https host"
    return "" if "@" not in parts.netloc else "no user and password in it; use the channel's own keys"


def shown_url(text: str) -> str:
    """An address without its query, which may hold a token."""
    parts = urlsplit(text)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def shown_host(text: str) -> str:
    """Only the host: the path of some targets is their secret."""
    parts = urlsplit(text)
    return f"{parts.scheme}://{parts.netloc}/…"


def secrets_of_url(text: str, *, is_path_secret: bool = False) -> tuple[str, ...]:
    """What an answer of the target must not show of its address, as it is written and as it is meant."""
    parts = urlsplit(text)
    found = [parts.query, *(value for _, value in parse_qsl(parts.query))]
    if is_path_secret:
        found += [parts.path.strip("/"), *parts.path.split("/")]
    return tuple({each for part in found for each in (part, unquote(part))})


def secret(fields: Fields, key: str, source: Source) -> Secret | None:
    """`key` as text, or the content of the file that `<key>_file` names; None if there is neither."""
    named = f"{key}_file"
    if key in fields and named in fields:
        fields.report.error(fields.at(named), f"give '{key}' or '{named}', not both")
    if named in fields:
        return _secret_of_file(fields, named, source)
    if not isinstance(fields.value.get(key, ""), str):
        fields.report.error(fields.at(key), "expected a secret as text: put it in quotes")
        return None
    text = fields.text(key)
    if key in fields and not text:
        fields.report.error(fields.at(key), "expected a secret, got an empty text")
    return Secret(text) if text else None


def secret_keys(*keys: str) -> tuple[str, ...]:
    return tuple(name for key in keys for name in (key, f"{key}_file"))


def texts(fields: Fields, key: str, expected: str) -> tuple[str, ...]:
    return tuple(text for _, text in fields.texts(key, expected))


def _secret_of_file(fields: Fields, key: str, source: Source) -> Secret | None:
    if source.folder is None:
        fields.report.error(fields.at(key), "only the notifier's configuration file may name files")
        return None
    try:
        with (source.folder / fields.text(key)).open("rb") as file:
            content = file.read(SECRET_BYTES_MAX).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        fields.report.error(fields.at(key), f"the file cannot be read: {error}")
        return None
    if not content:
        fields.report.error(fields.at(key), "the file is empty")
        return None
    return Secret(content)
