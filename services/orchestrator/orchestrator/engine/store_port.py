"""What doors may ask of whoever keeps stores: for people, and for the attempts of runs."""

from typing import Protocol

from orchestrator.engine.store_views import RowsPage, RowView, SavedStore, StoresView, StoreView
from penstock.contracts.store_messages import (
    StoreQuery,
    StoreRead,
    StoreReadAnswer,
    StoreUndo,
    StoreUndoAnswer,
    StoreWrite,
    StoreWriteAnswer,
)
from penstock.contracts.workflow import Json


class Stores(Protocol):
    """Raises NotFound for what there is not, InvalidInput and Conflict as PenstockError has them."""

    async def save(self, project: str, name: str, text: bytes) -> SavedStore: ...

    async def list(self, project: str) -> StoresView: ...

    async def view(self, project: str, name: str) -> StoreView: ...

    async def rows(self, project: str, store: str, query: StoreQuery) -> RowsPage: ...

    async def row(self, project: str, store: str, table: str, key: str) -> RowView: ...

    async def put(
        self, project: str, store: str, table: str, key: str, value: Json, *, by: str, version: int | None
    ) -> RowView: ...

    async def delete(self, project: str, store: str, table: str, key: str, *, by: str) -> None: ...


class AttemptStores(Protocol):
    """Answers running attempts; a refusal is an answer, too."""

    async def read(self, asked: StoreRead) -> StoreReadAnswer: ...

    async def write(self, asked: StoreWrite) -> StoreWriteAnswer: ...

    async def undo(self, asked: StoreUndo) -> StoreUndoAnswer: ...
