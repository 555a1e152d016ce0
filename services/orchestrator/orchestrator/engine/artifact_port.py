"""What the doors may ask of the place where files are kept."""

from collections.abc import AsyncIterator
from typing import Protocol

from penstock.contracts.value import Value


class StoredArtifact(Value, frozen=True):
    sha256: str
    size_bytes: int


class OpenArtifact(Value, frozen=True):
    """`chunks` must be read to its end or closed."""

    sha256: str
    size_bytes: int
    chunks: AsyncIterator[bytes]


class Artifacts(Protocol):
    """Files, addressed by the SHA-256 of their bytes."""

    async def put(self, chunks: AsyncIterator[bytes]) -> StoredArtifact:
        """Keep these bytes; storing them again changes nothing. Raises LimitExceeded, Unavailable."""
        ...

    async def read(self, sha256: str) -> OpenArtifact:
        """Raises NotFound."""
        ...
