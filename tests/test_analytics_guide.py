"""docs/analytics.md is a guide that runs: every query on it answers on a clinic's data, and its subscriber subscribes.

    clinic's writes ─► the door, twice ─► BigQuery's sink (gRPC) ─► embedded warehouse ◄─ each ```sql block of the page

The page's queries name two datasets: `clinic` (safe-harbor) and `research` (expert), the same clinic under each policy.
"""

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from copy import replace
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest
import sqlglot
from sqlglot import exp

from handlers import catalog
from handlers.analytics import ON, analyse
from handlers.provisioning import provision
from shared.acting import Sinks
from shared.deid.door import Door
from shared.deid.policy import load
from shared.deid.pseudonyms import Pseudonyms
from shared.deid.row import SafeRow
from shared.deid.sequence import buried
from shared.events.data import Validated
from shared.events.envelope import Event
from shared.fhir.port import Resource
from shared.local.bigquery import Warehouse
from shared.local.clinic import Clinic
from shared.local.pubsub import PubSub
from shared.phi import Phi
from shared.sinks.bigquery import BigQueryWarehouse, schema, view_tables
from shared.sinks.channels import publisher_client, subscriber_client
from shared.sinks.pubsub import PubSubPublisher
from shared.sinks.quality import QualityRow
from shared.views import shipped
from tests.rows import ROW
from tests.tenant import settings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "analytics.md"
WRITES = 1300
DATASETS = {"clinic": ("safe-harbor", b"c" * 32), "research": ("expert", b"r" * 32)}


ODD = QualityRow(
    project="clinic",
    key_id="k1",
    key="0e" * 32,
    rule="heart-rate-unit",
    severity="warning",
    resource_type="Observation",
    day=date(2026, 11, 23),
    findings=1,
    generation=1 << 16,
)


@dataclass(frozen=True, slots=True)
class Query:
    """A block of the page; `empty`: the page says that a dataset in good order answers with nothing."""

    title: str
    sql: str
    empty: bool


def queries() -> list[Query]:
    """Every ```sql block, under the heading that it stands under."""
    title, found = "", list[Query]()
    for block in re.finditer(r"^(#+ [^\n]*)$|^```sql( empty)?\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        if block[1]:
            title = block[1].lstrip("# ")
        else:
            found.append(
                Query(f"{title}, {sum(one.title.startswith(title) for one in found) + 1}", block[3], bool(block[2]))
            )
    return found


def life(door: Door, writes: int = WRITES) -> Iterator[SafeRow]:
    """What the clinic did, as rows beyond a door: creates, updates, deletions."""
    clinic, last = Clinic(seed=7), dict[int, tuple[str, str]]()
    for operation in clinic.operations(writes):
        version, at = (
            f"v{operation.number}",
            f"2026-11-23T10:{operation.number // 60:02}:{operation.number % 60:02}.000Z",
        )
        if operation.action == "delete":
            (version, at), resource = last[operation.handle], None
        else:
            id = f"r{operation.handle}" if operation.action == "create" else operation.id
            body = {"id": id, **operation.resource()}
            clinic.stored(operation, body | {"meta": {"versionId": version}})
            last[operation.handle] = version, at
            resource = Phi[Resource](body | {"meta": {"versionId": version, "lastUpdated": at}})
        named = Validated(
            project="medplum",
            type=operation.type,
            id=operation.id,
            version=version,
            last_updated=at,
            generation=1 << 16,
            op="delete" if resource is None else "write",
        )
        yield door.row(named, resource)


async def _filled() -> Warehouse:
    embedded = Warehouse()
    for dataset, (policy, _) in DATASETS.items():
        await embedded.provision(dataset, policy)
    releases = {("clinic", dataset): dataset for dataset in DATASETS}
    sink = BigQueryWarehouse("starvit", releases, (await embedded.start()).grpc)
    for dataset, (policy, key) in DATASETS.items():
        door = Door("clinic", load(policy), Pseudonyms(key, dataset))
        await asyncio.gather(*(sink.write(row) for row in life(door)))
        await sink.tally(replace(ODD, key_id=dataset))
    await sink.close()
    await embedded.stop()
    return embedded


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Warehouse]:
    filled = asyncio.run(_filled())
    yield filled
    filled.close()


@pytest.mark.xdist_group("guide")
@pytest.mark.parametrize("query", queries(), ids=lambda query: query.title)
def test_a_query_of_the_guide_answers_what_it_says(warehouse: Warehouse, query: Query) -> None:
    tree = sqlglot.parse_one(query.sql, read="bigquery", error_level=sqlglot.ErrorLevel.RAISE)
    assert isinstance(tree, exp.Query), "an analyst's query reads"
    assert not list(tree.find_all(exp.Command, exp.Anonymous)), "every function is one that BigQuery is known to have"
    rows = warehouse.rows(query.sql)
    assert (not rows) is query.empty, rows[:3]


def test_the_guide_has_a_query_for_what_a_clinic_asks() -> None:
    asked = " ".join(query.title.lower() for query in queries())
    assert len(queries()) >= 16
    for question in (
        "diabet",
        "blood pressure",
        "encounters",
        "medication",
        "immunization",
        "loinc",
        "complete",
        "change_log",
    ):
        assert question in asked, question


def test_age_bands_are_ages_and_the_past_is_told_as_it_was(warehouse: Warehouse) -> None:
    """What the page's least simple queries answer, worked out here in another way."""
    by_title = {query.title: query.sql for query in queries()}
    [bands] = [sql for title, sql in by_title.items() if title.startswith("Immunization")]
    assert {band for band, *_ in warehouse.rows(bands)} <= {*(f"{age}+" for age in range(0, 100, 20)), "90+", None}
    [then] = [sql for title, sql in by_title.items() if "as of a moment" in title]
    now = warehouse.rows("SELECT key FROM clinic.resources WHERE resource_type = 'Patient'")
    assert sorted(key for key, *_ in warehouse.rows(then)) == sorted(key for (key,) in now)
    [last] = [sql for title, sql in by_title.items() if "last HbA1c (expert)" in title]
    values: dict[str, list[tuple[datetime, float]]] = {}
    for key, at, value in warehouse.rows(
        "SELECT patient_key, effective, value FROM research.lab_results WHERE loinc_code = '4548-4'"
    ):
        values.setdefault(key, []).append((at, value))
    assert all(value == max(values[key])[1] for key, _, value, _ in warehouse.rows(last))


async def test_the_guides_subscriber_sees_each_row_once_and_a_deletion() -> None:
    [program] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    pubsub = PubSub()
    address = await pubsub.start()
    name = "projects/starvit/subscriptions/fhir.deidentified.clinic--team-research"
    async with publisher_client(address) as topics, subscriber_client(address) as subscriber:
        await provision(settings(), topics, subscriber, url=lambda zone: f"https://{zone}.example")
        topic = "projects/starvit/topics/fhir.deidentified.clinic"
        await subscriber.create_subscription(request={"name": name, "topic": topic})
    publisher = PubSubPublisher("starvit", address)
    sinks = Sinks(publisher, lambda: 1.8e9)
    written = replace(ROW, project="clinic")
    gone = replace(written, sequence=buried(written.sequence), deleted=True, resource=None)
    environment = {"PATH": os.environ["PATH"], "PUBSUB_EMULATOR_HOST": address, "SUBSCRIPTION": name}
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert running.stdout is not None
        told: list[str] = []
        for row in (written, written, gone):
            data = row.event()
            event = Event("a" * 64, data, datetime.now(UTC), "deid", str(UUID(int=1)), f"00-{'1' * 32}-{'2' * 16}-01")
            *_, copy = await analyse(
                event, None, releases={("clinic", "k1")}, outgoing=catalog.outgoing(settings().tenants)
            )
            await sinks.apply(copy, ON, event)
            if row is not written or not told:
                told.append((await asyncio.wait_for(running.stdout.readline(), 30)).decode())
    finally:
        running.terminate()
        await running.wait()
        await publisher.close()
        await pubsub.stop()
    assert told == [f"Patient {ROW.key} {ROW.resource}\n", f"Patient {ROW.key} deleted\n"]


def test_a_query_names_only_what_analysts_may_read() -> None:
    may = {*schema.VIEWS, view_tables.COUNTS, *(view.name for view in shipped())} - {"keys", "versions"}
    for query in queries():
        tables = list(sqlglot.parse_one(query.sql, read="bigquery").find_all(exp.Table))
        assert {table.name for table in tables if table.db} <= may, query.title
        assert {table.db for table in tables if table.db} <= set(DATASETS), query.title
