"""What a process shows, and `target_info`: which service of which version it is (requirement H4)."""

from importlib.metadata import version

from penstock.telemetry import metrics
from penstock.telemetry.exporters import export_only


def tell_target(service: str, *, instance: str) -> None:
    """At the start. `instance` tells this process from others of its service."""
    export_only(service)
    metrics.TARGET.info(
        {
            "service_name": f"penstock-{service}",
            "service_version": version("penstock"),
            "service_instance_id": instance,
        }
    )
