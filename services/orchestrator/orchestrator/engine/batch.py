"""Batching: what arrives while one batch is being worked on makes the next. Nobody lingers for more."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

I = TypeVar("I")  # noqa: E741 - item
O = TypeVar("O")  # noqa: E741 - outcome


@dataclass(frozen=True)
class _Ticket(Generic[I, O]):
    items: Sequence[I]
    answer: "asyncio.Future[list[O | Exception]]"


class Batcher(Generic[I, O]):
    """Hands lists of items to `work`, one list at a time, at most `items_max` long (a larger ask goes alone).

    `work` answers each item with an outcome or with the exception that concerns this item alone; when it raises,
    every asker of that list gets the exception. Askers are served in turn by the `key` of their first item, those of
    one key in their order; without `key`, all are.
    """

    def __init__(
        self,
        work: Callable[[list[I]], Awaitable[list[O | Exception]]],
        *,
        items_max: int,
        key: Callable[[I], Hashable] = lambda _: None,
    ) -> None:
        self._work = work
        self._items_max = items_max
        self._key = key
        self._lines: OrderedDict[Hashable, deque[_Ticket[I, O]]] = OrderedDict()  # the next one first
        self._arrived = asyncio.Event()

    async def ask(self, items: Sequence[I]) -> list[O | Exception]:
        """The outcomes of `items`, in their order, once they are committed."""
        if not items:
            return []
        ticket = _Ticket[I, O](items, asyncio.get_running_loop().create_future())
        self._lines.setdefault(self._key(items[0]), deque()).append(ticket)
        self._arrived.set()
        return await ticket.answer

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._arrived.wait()
            while self._lines:
                await self._serve(self._take())
            self._arrived.clear()

    def _take(self) -> list[_Ticket[I, O]]:
        tickets = [self._pop()]
        count = len(tickets[0].items)
        while self._lines and count + len(next(iter(self._lines.values()))[0].items) <= self._items_max:
            tickets.append(self._pop())
            count += len(tickets[-1].items)
        return tickets

    def _pop(self) -> _Ticket[I, O]:
        key, line = next(iter(self._lines.items()))
        ticket = line.popleft()
        if line:
            self._lines.move_to_end(key)
        else:
            del self._lines[key]
        return ticket

    async def _serve(self, tickets: list[_Ticket[I, O]]) -> None:
        try:
            outcomes = await self._work([item for ticket in tickets for item in ticket.items])
        except Exception as error:
            for ticket in tickets:
                if not ticket.answer.done():
                    ticket.answer.set_exception(error)
            return
        position = 0
        for ticket in tickets:
            end = position + len(ticket.items)
            if not ticket.answer.done():
                ticket.answer.set_result(outcomes[position:end])
            position = end
