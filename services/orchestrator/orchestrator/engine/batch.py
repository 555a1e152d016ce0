"""Batching: what arrives while one batch is being worked on makes the next. Nobody lingers for more."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
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
    every asker of that list gets the exception.
    """

    def __init__(self, work: Callable[[list[I]], Awaitable[list[O | Exception]]], *, items_max: int) -> None:
        self._work = work
        self._items_max = items_max
        self._waiting: deque[_Ticket[I, O]] = deque()
        self._arrived = asyncio.Event()

    async def ask(self, items: Sequence[I]) -> list[O | Exception]:
        """The outcomes of `items`, in their order, once they are committed."""
        if not items:
            return []
        ticket = _Ticket[I, O](items, asyncio.get_running_loop().create_future())
        self._waiting.append(ticket)
        self._arrived.set()
        return await ticket.answer

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._arrived.wait()
            while self._waiting:
                await self._serve(self._take())
            self._arrived.clear()

    def _take(self) -> list[_Ticket[I, O]]:
        tickets = [self._waiting.popleft()]
        count = len(tickets[0].items)
        while self._waiting and count + len(self._waiting[0].items) <= self._items_max:
            tickets.append(self._waiting.popleft())
            count += len(tickets[-1].items)
        return tickets

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
