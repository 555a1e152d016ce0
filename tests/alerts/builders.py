"""Webhooks as Alertmanager sends them, and a configuration with two sources."""

from hashlib import sha256
from typing import Any

TOKEN = "a-token-of-production"
OTHER_TOKEN = "a-token-of-staging-x"
NO_END = "0001-01-01T00:00:00Z"

CONFIG: dict[str, Any] = {
    "alertmanagers": [
        {
            "name": "production",
            "project": "shop",
            "project_label": "project",
            "token": TOKEN,
            "actions": [
                {
                    "match": {"alertname": "LlmDown"},
                    "open_breaker": "llm-provider",
                    "hold": {"firing": "0s", "resolved": "0s"},
                },
                {
                    "match": {"alertname": "LlmSlow"},
                    "open_breaker": "llm-provider",
                    "hold": {"firing": "30s"},
                },
                {"match": {"alertname": "Flood"}, "pause_workflow": "import"},
                {"match": {"alertname": "Calm"}, "resume_workflow": "import"},
            ],
        },
        {"name": "staging", "token": OTHER_TOKEN},
    ]
}


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "content-type": "application/json"}


def alert(name: str = "LlmDown", **changes: Any) -> dict[str, Any]:
    """One that fires, since 09:30."""
    return {
        "status": "firing",
        "labels": {"alertname": name, "severity": "page"},
        "annotations": {"summary": "The provider answers with 503"},
        "startsAt": "2026-11-21T09:30:00.123456789Z",
        "endsAt": NO_END,
        "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
        "fingerprint": sha256(name.encode()).hexdigest()[:16],
        **changes,
    }


def resolved(name: str = "LlmDown", **changes: Any) -> dict[str, Any]:
    return alert(name, status="resolved", endsAt="2026-11-21T09:35:00Z") | changes


def payload(*alerts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": '{}:{alertname="LlmDown"}',
        "truncatedAlerts": 0,
        "status": "firing" if any(each["status"] == "firing" for each in alerts) else "resolved",
        "receiver": "penstock",
        "groupLabels": {"alertname": "LlmDown"},
        "commonLabels": {"severity": "page"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": list(alerts),
        **changes,
    }
