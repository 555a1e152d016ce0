"""Reading metrics in tests: by how much samples change, so that no test minds what others have counted."""

from prometheus_client import REGISTRY


def value(name: str, **labels: str) -> float:
    """A sample of this process; 0 when there is none yet."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def labels_of(name: str) -> list[dict[str, str]]:
    """The labels of every sample of that name."""
    return [
        dict(sample.labels)
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == name
    ]
