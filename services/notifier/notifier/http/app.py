"""The notifier's HTTP application, put together from its parts."""

from fastapi import FastAPI

from notifier.http.page import PAGE
from penstock.http.app import build_app
from penstock.http.readiness import HealthDoor, Readiness, health_endpoints
from penstock.telemetry.tracing import OFF, Tracing


def create_app(*, readiness: Readiness, tracing: Tracing = OFF) -> FastAPI:
    return build_app([*health_endpoints(HealthDoor(readiness))], PAGE, tracing)
