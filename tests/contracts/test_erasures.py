"""Who was erased and the proofs, kept by each store: memory, SQLite, Firestore (against Google's emulator)."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from copy import replace
from pathlib import Path

import pytest

from shared.erasures.firestore import FirestoreErasures
from shared.erasures.memory import MemoryErasures
from shared.erasures.opening import open_erasures
from shared.erasures.port import Erasures, Proof
from shared.erasures.sqlite import SqliteErasures
from shared.errors import Code, Problem
from tests.contracts.emulator import firestore_emulator, free_port

ONE, OTHER = "1" * 32, "2" * 32
PROOF = Proof(
    order="6e" * 16,
    round=1,
    project="north",
    key_id="k1",
    datasets=2,
    dry_run=False,
    resources=5,
    before={"current_rows": 5, "graph": 4},
    after={"current_rows": 0, "graph": 4},
    ordered="2026-11-24T10:00:00.000Z",
    at="2026-11-24T10:00:03.000Z",
)


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with firestore_emulator(tmp_path_factory.mktemp("firestore")) as host:
        yield host


@pytest.fixture(params=["memory", "sqlite", "firestore"])
async def erasures(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Erasures]:
    match request.param:
        case "memory":
            made: Erasures = MemoryErasures()
        case "sqlite":
            made = SqliteErasures(tmp_path / "erasures")
        case _:
            monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", request.getfixturevalue("emulator"))
            made = FirestoreErasures("(default)", "p", f"erasures-{uuid.uuid4()}", patience=20)
    yield made
    await made.close()


async def test_who_was_put_on_the_list_is_on_it_and_nobody_else(erasures: Erasures) -> None:
    assert await erasures.among("north", "k1", [ONE, OTHER]) == frozenset()
    await erasures.suppress("north", "k1", ONE)
    await erasures.suppress("north", "k1", ONE)
    assert await erasures.among("north", "k1", [ONE, OTHER]) == {ONE}
    assert await erasures.among("north", "k1", []) == frozenset()


async def test_each_dataset_has_a_list_of_its_own(erasures: Erasures) -> None:
    await erasures.suppress("north", "k1", ONE)
    assert await erasures.among("north", "k2", [ONE]) == frozenset()
    assert await erasures.among("south", "k1", [ONE]) == frozenset()


async def test_many_may_ask_at_once_and_each_gets_its_own_answer(erasures: Erasures) -> None:
    await asyncio.gather(*(erasures.suppress("north", "k1", f"{number:032x}") for number in range(0, 40, 2)))
    asked = [[f"{number:032x}", f"{number + 1:032x}"] for number in range(40)]
    found = await asyncio.gather(*(erasures.among("north", "k1", names) for names in asked))
    assert found == [{f"{number + number % 2:032x}"} - {f"{40:032x}"} for number in range(40)]


async def test_the_proofs_of_an_order_come_by_round_and_dataset_the_last_word_of_each(erasures: Erasures) -> None:
    later, green = replace(PROOF, round=2, before=PROOF.after), replace(PROOF, key_id="k2")
    for proof in (later, replace(PROOF, resources=9), green, PROOF, replace(PROOF, order="7a" * 16)):
        await erasures.prove(proof)
    assert list(await erasures.proofs(PROOF.order)) == [PROOF, green, later]
    assert list(await erasures.proofs("0" * 32)) == []


def test_a_round_is_empty_only_if_it_found_nothing_and_left_nothing() -> None:
    nothing = {"current_rows": 0, "graph": 0}
    assert replace(PROOF, before=nothing, after=nothing).empty
    assert not replace(PROOF, before=nothing).empty
    assert not replace(PROOF, after=nothing).empty


async def test_the_list_is_there_for_the_next_process(tmp_path: Path) -> None:
    first = SqliteErasures(tmp_path / "erasures")
    second = SqliteErasures(tmp_path / "erasures")
    assert await second.among("north", "k1", [ONE]) == frozenset()
    await first.suppress("north", "k1", ONE)
    assert await second.among("north", "k1", [ONE]) == {ONE}, "at once, and not after some time"
    await asyncio.gather(first.close(), second.close())


async def test_a_store_that_is_down_says_try_again_and_never_that_nobody_was_erased(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    cloud = FirestoreErasures("(default)", "p", patience=0.5)
    file = SqliteErasures(tmp_path / "missing" / "erasures")
    calls: list[Callable[[], Awaitable[object]]] = [
        call
        for store in (cloud, file)
        for call in (
            lambda store=store: store.among("north", "k1", [ONE]),
            lambda store=store: store.suppress("north", "k1", ONE),
            lambda store=store: store.prove(PROOF),
            lambda store=store: store.proofs(PROOF.order),
        )
    ]
    for call in calls:
        with pytest.raises(Problem) as down:
            await call()
        assert down.value.code is Code.LEDGER_DOWN
    await asyncio.gather(cloud.close(), file.close())


@pytest.mark.parametrize(
    "ledger, kind",
    [("memory", MemoryErasures), ("sqlite:/tmp/ledger.db", SqliteErasures), ("firestore:clinical", FirestoreErasures)],
)
def test_the_erasures_stand_beside_the_ledger(ledger: str, kind: type[Erasures]) -> None:
    assert type(open_erasures(ledger, project="p")) is kind
    with pytest.raises(ValueError, match="a ledger is"):
        open_erasures("paper", project="p")
