"""The notifier's HTTP API as this command uses it."""

from collections.abc import Mapping

from penstock_cli.service_api import Document, Json, ServiceApi, given


class NotifierApi(ServiceApi):
    """One method for each thing that a person can ask. Raises Unreachable and Refused."""

    service = "notifier"
    setting = "PENSTOCK_NOTIFIER_URL"
    url_default = "http://127.0.0.1:9003"

    def alerts(self, filters: Mapping[str, Json]) -> Document:
        return self._get("/alerts", params=given(filters))

    def alert_actions(self, filters: Mapping[str, Json]) -> Document:
        return self._get("/alert-actions", params=given(filters))
