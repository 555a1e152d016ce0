"""The subscriptions of the configuration file: checked together at the start, then kept like any other."""

from pathlib import Path

import asyncpg
import structlog
import uuid_utils.compat

from notifier.channels.reading import Source
from notifier.config import SUBSCRIPTIONS
from notifier.deliveries.document import DocumentReader
from notifier.store import subscriptions
from penstock.contracts.names import PROJECT_DEFAULT, is_name
from penstock.contracts.value import Value
from penstock.contracts.wire import encode
from penstock.contracts.workflow import Json
from penstock.definition.fields import NAME_EXPECTED, Fields
from penstock.definition.report import Report

log = structlog.get_logger(__name__)


class FileSubscription(Value, frozen=True):
    project: str
    name: str
    document: dict[str, Json]
    active: bool


def read_section(section: Json, reader: DocumentReader, *, folder: Path) -> tuple[FileSubscription, ...]:
    """`subscriptions` of the file: name → document, which may have a `project` too. Raises InvalidInput."""
    if section is None:
        return ()
    report = Report()
    named = Fields({}, (), report).mapping(SUBSCRIPTIONS, section, "names with subscriptions")
    found = [] if named is None else [_read(named, name, reader, Source(folder)) for name in named.value]
    report.raise_if_wrong("the configuration file")
    return tuple(each for each in found if each is not None)


def _read(named: Fields, name: str, reader: DocumentReader, source: Source) -> FileSubscription | None:
    path = named.at(name)
    if not is_name(str(name)):
        named.report.error(path, f"expected {NAME_EXPECTED}")
    given = named.mapping(name, named.value[name], "a mapping with events and a channel")
    if given is None:
        return None
    project = given.name("project", PROJECT_DEFAULT)
    document = {key: value for key, value in given.value.items() if key != "project"}
    read = reader.look(document, source, path=path, report=named.report)
    return None if read is None else FileSubscription(project, str(name), document, read.active)


async def keep_section(pool: asyncpg.Pool, found: tuple[FileSubscription, ...]) -> None:
    """The database has what the file says, and nothing that an older file said."""
    async with pool.acquire() as connection, connection.transaction():
        for each in found:
            await subscriptions.put(
                connection,
                id=uuid_utils.compat.uuid7(),
                project=each.project,
                name=each.name,
                document=encode(each.document).decode(),
                from_file=True,
                active=each.active,
            )
        keep = [(each.project, each.name) for each in found]
        for project, name in await subscriptions.delete_files_except(connection, keep):
            log.info(
                "subscription.removed", project=project, name=name, reason="it is not in the file any more"
            )
