"""The store of metrics keeps the same promises in memory, in files and in Firestore."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.telemetry.metrics_store import FileMetrics, FirestoreMetrics, MemoryMetrics, MetricsStore, open_metrics
from tests.contracts.emulator import firestore_emulator


@pytest.fixture(params=["memory", "files", "firestore"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[MetricsStore]:
    match request.param:
        case "memory":
            yield MemoryMetrics()
        case "files":
            yield FileMetrics(tmp_path / "metrics")
        case _:
            with firestore_emulator(tmp_path) as host:
                monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", host)
                opened = FirestoreMetrics("(default)", "p", patience=20)
                yield opened
                await opened.close()


async def test_each_process_has_one_text_and_replaces_its_own(store: MetricsStore) -> None:
    assert await store.all(now=100) == []
    await store.put("a", "1", expires=200)
    await store.put("b", "2", expires=200)
    await store.put("a", "3", expires=200)
    assert sorted(await store.all(now=100)) == ["2", "3"]


async def test_what_has_expired_is_not_given(store: MetricsStore) -> None:
    await store.put("a", "1", expires=200)
    await store.put("b", "2", expires=300)
    assert await store.all(now=250) == ["2"]


async def test_two_readers_take_away_the_same_expired_text(tmp_path: Path) -> None:
    one, other = FileMetrics(tmp_path / "m"), FileMetrics(tmp_path / "m")
    await one.put("a", "1", expires=200)
    assert await one.all(now=250) == await other.all(now=250) == []
    assert list((tmp_path / "m").iterdir()) == []


def test_the_store_belongs_to_the_ledger(tmp_path: Path) -> None:
    assert isinstance(open_metrics("memory", project="p"), MemoryMetrics)
    assert isinstance(open_metrics(f"sqlite:{tmp_path}/l.db", project="p"), FileMetrics)
    assert isinstance(open_metrics("firestore:clinical", project="p"), FirestoreMetrics)
