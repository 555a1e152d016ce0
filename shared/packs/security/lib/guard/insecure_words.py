"""Which of bandit's tests of calls and of whole files can find something, by the words that the file must contain.

Every name that a test asks for stands in the file somewhere: in the call, or in the import that gave it another name.
A test that is not listed here is always asked, and so is every test of a file whose letters may stand for others.
"""

from functools import cache, lru_cache
from typing import Any

_ANY: tuple[str, ...] = ("",)
_SHELL_LISTS = ("subprocess", "shell", "no_shell")  # of bandit's setting `shell_injection`
_OF_BLACKLIST = ("__import__", "import_module")  # whose argument may be anything

# One of the words of each test's own source; a dotted name needs all its parts.
_WORDS: dict[str, tuple[str, ...]] = {
    "B102": ("exec",),
    "B103": ("chmod",),
    "B201": ("flask",),
    "B202": ("tarfile",),
    "B324": ("hashlib", "crypt"),
    "B501": ("requests", "httpx"),
    "B113": ("requests", "httpx"),
    "B502": ("ssl_version", "method"),
    "B504": ("ssl.wrap_socket",),
    "B505": ("cryptography.generate_private_key", "Crypto.generate", "Cryptodome.generate"),
    "B506": ("yaml",),
    "B507": ("paramiko",),
    "B508": ("pysnmp",),
    "B509": ("pysnmp",),
    "B601": ("paramiko",),
    "B602": ("shell",),
    "B604": ("shell",),
    "B610": ("extra",),
    "B611": ("RawSQL",),
    "B612": ("logging.config.listen",),
    "B613": (),  # letters that are not ASCII
    "B614": ("torch",),
    "B615": ("transformers", "datasets", "huggingface_hub"),
    "B701": ("jinja2",),
    "B702": ("mako",),
    "B703": ("django",),
}


def can_match(test: Any, source: bytes) -> bool:
    return _has_one(source, _alternatives(test))


@lru_cache(maxsize=16)  # several tests have the same words
def _has_one(source: bytes, alternatives: tuple[tuple[bytes, ...], ...]) -> bool:
    if not _is_plain(source):
        return True
    for parts in alternatives:
        for part in parts:
            if part not in source:
                break
        else:
            return True
    return False


def _is_plain(source: bytes) -> bool:
    """Whether a name is written as it is: other letters can be one to Python, another encoding hides them."""
    return source.isascii() and b"coding" not in b"".join(source.splitlines()[:2])


@cache
def _alternatives(test: Any) -> tuple[tuple[bytes, ...], ...]:
    """The last part first: it is the rarest."""
    return tuple(tuple(part.encode() for part in reversed(word.split("."))) for word in _words(test))


def _words(test: Any) -> tuple[str, ...]:
    settings = getattr(test, "_config", None)
    if test.__name__ == "blacklist":
        names = [name for check in settings.get("Call", ()) for name in check["qualnames"]]
        return (*names, *_OF_BLACKLIST)
    if test._test_id in ("B603", "B605", "B606", "B607", "B609"):
        return tuple(name for key in _SHELL_LISTS for name in settings.get(key, ()))
    return _WORDS.get(test._test_id, _ANY)
