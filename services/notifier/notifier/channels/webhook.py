"""Webhooks, signed as Standard Webhooks 1.0.0: the event as it is, or the subscription's own document.

While a secret is being changed there are two: both sign, so that a receiver may know either.
"""

import base64
import binascii
from collections.abc import Sequence

from standardwebhooks import Webhook as Signer

from notifier.channels.outbound import Outbound
from notifier.channels.port import Message, Told
from notifier.channels.reading import Secret, Source, secret, secret_keys, secrets_of_url, shown_url, url
from penstock.contracts.value import Value
from penstock.contracts.wire import encode
from penstock.definition.fields import Fields

KEYS = ("url", *secret_keys("secret", "previous_secret"))
CONCURRENT_MAX = 16
SECRET_PREFIX = "whsec_"
SECRET_BYTES = (24, 64)  # what the standard asks for
SECRET_EXPECTED = "whsec_ and the base64 of 24 to 64 random bytes"


class Options(Value, frozen=True):
    url: str
    secrets: tuple[Secret, ...]  # the newest first; without one nothing is signed


def read(fields: Fields, source: Source) -> Options:
    fields.only(KEYS)
    found = [_signing_secret(fields, key, source) for key in ("secret", "previous_secret")]
    if found[0] is None and found[1] is not None:
        fields.report.error(fields.path, "'previous_secret' needs 'secret', the newer one")
    return Options(url(fields), tuple(each for each in found if each is not None))


class Webhook:
    concurrent_max = CONCURRENT_MAX

    def __init__(self, options: Options, outbound: Outbound) -> None:
        self._url = options.url
        self._signers = [Signer(each.value) for each in options.secrets]
        self._secrets = tuple(each.value for each in options.secrets)
        self._outbound = outbound

    @property
    def target(self) -> str:
        return shown_url(self._url)

    @property
    def secrets(self) -> Sequence[str]:
        return (*secrets_of_url(self._url), *self._secrets)

    async def send(self, message: Message) -> Told:
        body = message.cloud_event if message.said is None else encode(message.said)
        kind = "application/cloudevents+json" if message.said is None else "application/json"
        headers = {"Content-Type": kind, **self._signed(message, body)}
        if message.traceparent:
            headers["traceparent"] = message.traceparent
        return await self._outbound.post(self._url, headers=headers, body=body)

    def _signed(self, message: Message, body: bytes) -> dict[str, str]:
        headers = {"webhook-id": message.id, "webhook-timestamp": str(int(message.at.timestamp()))}
        if self._signers:
            signatures = [signer.sign(message.id, message.at, body.decode()) for signer in self._signers]
            headers["webhook-signature"] = " ".join(signatures)
        return headers


def _signing_secret(fields: Fields, key: str, source: Source) -> Secret | None:
    found = secret(fields, key, source)
    if found is None or _is_signing_secret(found.value):
        return found
    fields.report.error(fields.at(key), f"expected {SECRET_EXPECTED}")
    return None


def _is_signing_secret(text: str) -> bool:
    if not text.startswith(SECRET_PREFIX):
        return False
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return SECRET_BYTES[0] <= len(key) <= SECRET_BYTES[1]
