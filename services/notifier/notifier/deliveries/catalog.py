"""The subscriptions in memory, compiled, each with its channel; `fresh` compares them with the database."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg
import structlog

from notifier.channels.kinds import CHANNELS, Means, prepare
from notifier.channels.port import Channel
from notifier.channels.reading import API, Source
from notifier.deliveries.document import DocumentReader, Read
from notifier.rules.subscription import Subscription
from notifier.store.subscriptions import SubscriptionRow, read_all, read_version
from penstock.contracts.errors import InvalidInput
from penstock.contracts.wire import decode
from penstock.contracts.workflow import Json

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Entry:
    """A subscription with what it sends through."""

    subscription: Subscription
    channel: Channel


class Catalog:
    """`folder` is the configuration file's, for those that came from it."""

    def __init__(self, pool: asyncpg.Pool, reader: DocumentReader, means: Means, *, folder: Path) -> None:
        self._pool = pool
        self._reader = reader
        self._means = means
        self._file = Source(folder)
        self._version = 0
        self._entries: dict[UUID, Entry] = {}
        self._loading = asyncio.Lock()

    async def fresh(self) -> None:
        """Know every change that was committed before this call."""
        async with self._loading:
            version = await read_version(self._pool)
            if version != self._version:
                rows = await read_all(self._pool)
                for row in rows:
                    await prepare(decode(row.document.encode(), dict[str, Json]))
                entries = (self._entry(row) for row in rows)
                self._entries = {entry.subscription.id: entry for entry in entries if entry is not None}
                self._version = version

    def entries(self) -> Iterable[Entry]:
        return self._entries.values()

    def get(self, id: UUID) -> Entry | None:
        return self._entries.get(id)

    def build(self, read: Read) -> Channel:
        return CHANNELS[read.rule.channel_kind].build(read.options, self._means)

    def entry(self, row: SubscriptionRow) -> Entry:
        """Raises InvalidInput if the document is none any more: a file of a secret may be gone."""
        read = self._reader.read(
            decode(row.document.encode(), dict[str, Json]),
            self._file if row.from_file else API,
            name=row.name,
        )
        subscription = Subscription(
            id=row.id,
            project=row.project,
            name=row.name,
            rule=read.rule,
            active=row.active,
            revision=row.revision,
            created_at=row.created_at,
        )
        return Entry(subscription, self.build(read))

    def _entry(self, row: SubscriptionRow) -> Entry | None:
        known = self._entries.get(row.id)
        if known is not None and known.subscription.revision == row.revision:
            return known
        try:
            return self.entry(row)
        except InvalidInput as error:
            log.error("subscription.unreadable", project=row.project, name=row.name, reason=str(error))
            return None
