"""What a store is: tables of a project's own that outlive runs, each with the JSON Schema of its rows."""

from penstock.contracts.value import Value
from penstock.contracts.workflow import Json


class TableDefinition(Value, frozen=True):
    """`row` is the JSON Schema that every row of the table fits; a row is always an object."""

    row: Json
    description: str = ""


class StoreDefinition(Value, frozen=True):
    """What `store.yaml` declares. Its name is what agents grant themselves under `stores`."""

    name: str
    description: str = ""
    tables: dict[str, TableDefinition] = {}
