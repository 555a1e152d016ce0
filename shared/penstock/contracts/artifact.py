"""How a value names an artifact: a URI that any JSON string can hold.

`artifact://<sha256>/<name>` is a file; with a slash at the end it is a directory, stored as a tar archive.
"""

import re

import msgspec

SCHEME = "artifact://"

_URI = re.compile(r"artifact://([0-9a-f]{64})/([^/\x00]{1,255})(/?)")


class ArtifactReference(msgspec.Struct, frozen=True):
    """A file or directory, addressed by the SHA-256 of its bytes (of the archive, for a directory)."""

    sha256: str
    name: str
    is_directory: bool = False

    def __str__(self) -> str:
        return f"{SCHEME}{self.sha256}/{self.name}{'/' if self.is_directory else ''}"


def parse(text: str) -> ArtifactReference | None:
    """The reference that `text` is, or None if it is an ordinary string."""
    match = _URI.fullmatch(text)
    if match is None or match[2] in (".", ".."):
        return None
    return ArtifactReference(sha256=match[1], name=match[2], is_directory=bool(match[3]))
