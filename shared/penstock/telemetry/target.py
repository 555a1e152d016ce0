"""`target_info`: which service of which version a page of metrics is of (OpenTelemetry's resource, requirement H4)."""

from importlib.metadata import version

from penstock.telemetry import metrics


def tell_target(service: str, *, instance: str) -> None:
    """`instance` tells this process from others of its service."""
    metrics.TARGET.info(
        {
            "service_name": f"penstock-{service}",
            "service_version": version("penstock"),
            "service_instance_id": instance,
        }
    )
