"""Both warehouses behind one face: the memory twin, and BigQuery's sink on the embedded warehouse."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from shared.errors import Code, Problem
from shared.local.bigquery import Warehouse as Embedded
from shared.sinks import port
from shared.sinks.bigquery import BigQueryWarehouse
from shared.sinks.memory_warehouse import MemoryWarehouse
from tests.views import VIEWS, views

type Lines = list[tuple[str, dict[str, object]]]  # a resource's key, a row of a view

DATASETS = {"north": "north_data", "south": "south_data"}


class Site(Protocol):
    """A warehouse, and what analysts see of its views."""

    warehouse: port.Warehouse

    def view(self, project: str, name: str) -> Lines: ...


class InMemory:
    def __init__(self) -> None:
        self.memory = MemoryWarehouse(DATASETS, views=views)
        self.warehouse: port.Warehouse = self.memory

    def view(self, project: str, name: str) -> Lines:
        return sorted(self.memory.view(project, name), key=repr)


class OverTheWire:
    def __init__(self, embedded: Embedded, endpoint: str) -> None:
        self.embedded = embedded
        datasets = {(name, "k1"): dataset for name, dataset in DATASETS.items()}
        self.warehouse: port.Warehouse = BigQueryWarehouse("starvit", datasets, endpoint, views=views)

    def view(self, project: str, name: str) -> Lines:
        table = f"`starvit.{DATASETS[project]}.{name}`"
        names = self.embedded.columns(f"SELECT * FROM {table}")
        found = [dict(zip(names, row, strict=True)) for row in self.embedded.rows(f"SELECT * FROM {table}")]
        lines = [
            (str(row["_key"]), {name: value for name, value in row.items() if not name.startswith("_")})
            for row in found
        ]
        return sorted(lines, key=repr)


@asynccontextmanager
async def over_the_wire(policy: str = "safe-harbor") -> AsyncIterator[OverTheWire]:
    embedded = Embedded()
    for dataset in DATASETS.values():
        await embedded.provision(dataset, policy, VIEWS)
    site = OverTheWire(embedded, (await embedded.start()).grpc)
    yield site
    await site.warehouse.close()
    await embedded.stop()
    embedded.close()


def problem(end: object) -> Code | None:
    return end.code if isinstance(end, Problem) else None
