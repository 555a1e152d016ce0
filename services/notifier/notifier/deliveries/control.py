"""What people ask of subscriptions and deliveries: made, changed, tried out, looked at, sent again."""

from uuid import UUID

import asyncpg
import msgspec
import structlog
import uuid_utils.compat

from notifier.channels.kinds import prepare
from notifier.channels.reading import API
from notifier.deliveries.catalog import Catalog, Entry
from notifier.deliveries.document import DocumentReader
from notifier.deliveries.sample import sample
from notifier.deliveries.sender import Sender
from notifier.deliveries.telling import Teller
from notifier.deliveries.views import (
    ChannelView,
    DeliveriesView,
    DeliveryDetail,
    DeliveryView,
    SubscriptionsView,
    SubscriptionView,
    TestView,
    TryView,
)
from notifier.store import read_deliveries, subscriptions
from notifier.store.read_deliveries import DeliveryRow
from notifier.store.subscriptions import SubscriptionRow
from penstock.contracts.errors import Conflict, InvalidInput, NotFound
from penstock.contracts.names import is_name
from penstock.contracts.wire import decode, encode, raw
from penstock.contracts.workflow import Json
from penstock.definition.fields import NAME_EXPECTED

SUBSCRIPTIONS_MAX = 500  # of a project: every event is compared with each

log = structlog.get_logger(__name__)


class DeliveryControl:
    def __init__(
        self,
        pool: asyncpg.Pool,
        catalog: Catalog,
        reader: DocumentReader,
        sender: Sender,
        teller: Teller,
    ) -> None:
        self._pool = pool
        self._catalog = catalog
        self._reader = reader
        self._sender = sender
        self._teller = teller

    async def put(self, project: str, name: str, document: Json) -> tuple[SubscriptionView, bool]:
        """Make it, or change it; whether it is new."""
        if not is_name(name):
            raise InvalidInput.at("name", f"expected {NAME_EXPECTED}")
        await prepare(document)
        read = self._reader.read(document, API, name=name)
        known = await subscriptions.read_one(self._pool, project, name)
        _refuse_file(known)
        if known is None and await subscriptions.count(self._pool, project) >= SUBSCRIPTIONS_MAX:
            raise Conflict(f"project '{project}' has {SUBSCRIPTIONS_MAX} subscriptions, which is the limit")
        await subscriptions.put(
            self._pool,
            id=uuid_utils.compat.uuid7(),
            project=project,
            name=name,
            document=encode(document).decode(),
            from_file=False,
            active=read.active,
        )
        await self._catalog.fresh()
        return await self.get(project, name), known is None

    async def list(self, project: str) -> SubscriptionsView:
        rows = await subscriptions.read_of_project(self._pool, project)
        return SubscriptionsView(tuple(self._shown(row) for row in rows))

    async def get(self, project: str, name: str) -> SubscriptionView:
        return self._shown(await self._row(project, name))

    async def delete(self, project: str, name: str) -> None:
        row = await self._row(project, name)
        _refuse_file(row)
        await subscriptions.delete(self._pool, row.id)

    async def set_active(self, project: str, name: str, *, active: bool, reason: str) -> SubscriptionView:
        """Also of one from a file: a target that has to be left alone cannot wait for a change of files."""
        row = await self._row(project, name)
        await subscriptions.set_active(
            self._pool, row.id, active=active, reason="" if active else reason or "paused"
        )
        await self._catalog.fresh()
        self._sender.wake()
        return await self.get(project, name)

    async def test(self, project: str, name: str) -> TestView:
        """Send a sample now, past breaker and schedule; it leaves no trace in the log of deliveries."""
        entry = self._catalog.entry(await self._row(project, name))
        event = encode(sample(entry.subscription)).decode()
        tried = await self._teller.tell(entry, event, id=f"msg_test-{uuid_utils.compat.uuid7()}")
        told = tried.told
        return TestView(
            ok=told.ok,
            status=told.status,
            milliseconds=round(tried.seconds * 1000),
            answer=told.answer,
            error=told.error,
        )

    async def deliveries(
        self,
        project: str,
        *,
        subscription: str | None,
        state: str | None,
        run: UUID | None,
        cursor: UUID | None,
        limit: int,
    ) -> DeliveriesView:
        rows = await read_deliveries.read_page(
            self._pool,
            project,
            subscription=subscription,
            state=state,
            run=run,
            before=cursor,
            rows_max=limit + 1,
        )
        page = rows[:limit]
        return DeliveriesView(tuple(map(_delivery, page)), str(page[-1].id) if len(rows) > limit else None)

    async def delivery(self, project: str, id: UUID) -> DeliveryDetail:
        found = await read_deliveries.read_one(self._pool, project, id)
        if found is None:
            raise NotFound("delivery", str(id))
        row, event = found
        tries = await read_deliveries.read_tries(self._pool, id)
        shown = tuple(TryView(**msgspec.structs.asdict(each)) for each in tries)
        return DeliveryDetail(_delivery(row), raw(event.encode()), shown)

    async def redeliver(self, project: str, id: UUID) -> DeliveryDetail:
        if not await read_deliveries.redeliver(self._pool, project, id):
            raise NotFound("delivery", str(id))
        self._sender.wake()
        return await self.delivery(project, id)

    async def _row(self, project: str, name: str) -> SubscriptionRow:
        row = await subscriptions.read_one(self._pool, project, name)
        if row is None:
            names = [each.name for each in await subscriptions.read_of_project(self._pool, project)]
            raise NotFound("subscription", name, tuple(names))
        return row

    def _shown(self, row: SubscriptionRow) -> SubscriptionView:
        try:
            entry: Entry | None = self._catalog.entry(row)
            problem = ""
        except InvalidInput as error:
            entry, problem = None, str(error)
        document = decode(row.document.encode(), dict[str, Json])
        return SubscriptionView(
            name=row.name,
            project=row.project,
            events=entry.subscription.rule.events if entry else (),
            condition=str(document["if"]) if "if" in document else None,
            channel=ChannelView(entry.subscription.rule.channel_kind, entry.channel.target)
            if entry
            else None,
            template=raw(encode(document.get("template"))),
            active=row.active,
            inactive_reason=row.inactive_reason,
            source="file" if row.from_file else "api",
            created_at=row.created_at,
            changed_at=row.changed_at,
            problem=problem,
        )


def _refuse_file(row: SubscriptionRow | None) -> None:
    if row is not None and row.from_file:
        raise Conflict(
            f"subscription '{row.name}' is from the notifier's configuration file: change it there, and restart"
        )


def _delivery(row: DeliveryRow) -> DeliveryView:
    found = msgspec.structs.asdict(row)
    return DeliveryView(**{**found, "due_at": row.due_at if row.state == "waiting" else None})
