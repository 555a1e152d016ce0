"""The page that Prometheus scrapes: OpenMetrics, with exemplars, for whoever asks for it."""

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder


def exposition(accept: str) -> tuple[bytes, str]:
    """The page and its media type, as the header Accept wants it."""
    encode, media_type = choose_encoder(accept)
    return encode(REGISTRY), media_type
