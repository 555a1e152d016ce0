"""The notifier's HTTP application, put together from its parts."""

from fastapi import FastAPI

from notifier.deliveries.control import DeliveryControl
from notifier.http.alertmanager import AlertmanagerDoor, alertmanager_endpoints
from notifier.http.deliveries import DeliveryDoor, delivery_endpoints
from notifier.http.page import PAGE
from notifier.http.subscriptions import SubscriptionDoor, subscription_endpoints
from penstock.http.app import build_app
from penstock.http.readiness import HealthDoor, Readiness, health_endpoints
from penstock.telemetry.tracing import OFF, Tracing


def create_app(
    *,
    readiness: Readiness,
    alertmanager: AlertmanagerDoor,
    deliveries: DeliveryControl,
    tracing: Tracing = OFF,
) -> FastAPI:
    endpoints = [
        *alertmanager_endpoints(alertmanager),
        *subscription_endpoints(SubscriptionDoor(deliveries)),
        *delivery_endpoints(DeliveryDoor(deliveries)),
        *health_endpoints(HealthDoor(readiness)),
    ]
    return build_app(endpoints, PAGE, tracing)
