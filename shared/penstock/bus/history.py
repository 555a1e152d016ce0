"""What a stream still has from some place on, in pages, without a consumer.

One request, answered straight into an inbox by the stream (batched direct get): the server keeps nothing of the reader,
so a thousand of them may come back at once.
"""

import asyncio

import nats.errors
from nats.aio.msg import Msg

from penstock.bus.connection import Bus
from penstock.bus.follow import Stored
from penstock.bus.position import Position
from penstock.contracts.errors import Unavailable
from penstock.contracts.value import Value, replace
from penstock.contracts.wire import encode

PAGE_MESSAGES_MAX = 200
PAGE_BYTES_MAX = 4 * 1024 * 1024
ANSWER_S_MAX = 5.0


class HistoryPage(Value, frozen=True):
    """`is_last`: there was nothing beyond it when it was read."""

    messages: tuple[Stored, ...]
    is_last: bool


class History:
    """Reads a stream that allows it (`Stream.direct`)."""

    def __init__(self, bus: Bus, *, stream: str) -> None:
        self._bus = bus
        self._call = f"$JS.API.DIRECT.GET.{stream}"

    async def after(self, position: Position, *, subject: str) -> HistoryPage:
        """The next messages of `subject` beyond `position`; raises Unavailable when the bus does not answer."""
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                return await self._read(position, subject)
        except (TimeoutError, nats.errors.Error, OSError) as error:
            raise Unavailable("the bus does not answer; try again in a moment") from error

    async def _read(self, position: Position, subject: str) -> HistoryPage:
        client = self._bus.client
        request = {"seq": position.sequence + 1, "next_by_subj": subject}
        request |= {"batch": PAGE_MESSAGES_MAX, "max_bytes": PAGE_BYTES_MAX}
        inbox = f"{self._bus.inbox}.history.{client.new_inbox().rsplit('.', 1)[1]}"
        subscription = await client.subscribe(inbox)
        try:
            await client.publish(self._call, encode(request), inbox)
            found: list[Stored] = []
            while True:
                message = await subscription.next_msg(timeout=None)
                headers = message.headers or {}
                if "Status" in headers:
                    return HistoryPage(tuple(found), is_last=_is_last(headers))
                found.append(_stored(position, message, headers))
        finally:
            await subscription.unsubscribe()


def _stored(position: Position, message: Msg, headers: dict[str, str]) -> Stored:
    place = replace(position, sequence=int(headers["Nats-Sequence"]))
    return Stored(place, headers["Nats-Subject"], message.data)


def _is_last(headers: dict[str, str]) -> bool:
    """404: there is nothing there. 204 ends a page and says how many messages are beyond it."""
    if headers["Status"] not in ("204", "404"):
        raise Unavailable(f"the bus cannot tell what was: {headers['Status']}; try again in a moment")
    return headers["Status"] == "404" or headers.get("Nats-Num-Pending", "0") == "0"
