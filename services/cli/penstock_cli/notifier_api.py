"""The notifier's HTTP API as this command uses it."""

from collections.abc import Mapping

import httpx

from penstock_cli.service_api import Document, Json, ServiceApi, given, segment


class NotifierApi(ServiceApi):
    """One method for each thing that a person can ask. Raises Unreachable and Refused."""

    service = "notifier"
    setting = "PENSTOCK_NOTIFIER_URL"
    url_default = "http://127.0.0.1:9003"

    def alerts(self, filters: Mapping[str, Json]) -> Document:
        return self._get("/alerts", params=given(filters))

    def alert_actions(self, filters: Mapping[str, Json]) -> Document:
        return self._get("/alert-actions", params=given(filters))

    def subscriptions(self) -> Document:
        return self._get("/subscriptions")

    def subscription(self, name: str) -> Document:
        return self._get(f"/subscriptions/{segment(name)}")

    def put_subscription(self, name: str, document: Json) -> tuple[Document, bool]:
        """The subscription, and whether it is new."""
        answer = self._send("PUT", f"/subscriptions/{segment(name)}", json=document)
        return answer.json(), answer.status_code == httpx.codes.CREATED

    def delete_subscription(self, name: str) -> None:
        self._send("DELETE", f"/subscriptions/{segment(name)}")

    def steer_subscription(self, name: str, verb: str, **said: Json) -> Document:
        """`verb`: test, pause or resume."""
        return self._document("POST", f"/subscriptions/{segment(name)}/{verb}", json=said)

    def deliveries(self, filters: Mapping[str, Json]) -> Document:
        return self._get("/deliveries", params=given(filters))

    def delivery(self, id: str) -> Document:
        return self._get(f"/deliveries/{segment(id)}")

    def redeliver(self, id: str) -> Document:
        return self._document("POST", f"/deliveries/{segment(id)}/redeliver", json={})
