"""An erasure against writes of the same patient, in any order, with failures of every kind: it ends clean.

Each call to a port takes a random number of turns before and after its effect, and may fail before it (nothing happened)
or after it (it happened, and nobody was told). What failed is delivered again until it is done, as Pub/Sub would.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from copy import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from handlers.analytics import ON, analyse, patients_rows
from shared.acting import Sinks
from shared.deid.row import LAST, SafeRow, patients
from shared.erasures.memory import MemoryErasures
from shared.erasures.port import Counts, Proof
from shared.errors import Code, Problem
from shared.events.data import Data, Erasure
from shared.sinks.erasing import Guarded, Proving
from shared.sinks.memory import MemoryPublisher
from shared.sinks.memory_warehouse import MemoryWarehouse
from tests.contracts.test_erasing import NAME, OTHER, condition, patient
from tests.handlers.test_decisions import event

_SEEDS = 100
_RELEASES = frozenset({("north", "k1")})
ERASURE = Erasure(
    project="north",
    key_id="k1",
    patient=NAME,
    order="6e" * 16,
    round=1,
    datasets=1,
    dry_run=False,
    policy="safe-harbor",
    policy_hash="cd" * 16,
    at=datetime(2026, 11, 24, 10, tzinfo=UTC),
)
ROWS = (
    *(patient(number=number) for number in (1, 2)),
    *(condition(key, number=number) for key in (2, 3) for number in (1, 2)),
    *(patient(OTHER), condition(9, OTHER)),
)


class Weather:
    """How long a call takes, and whether it fails."""

    def __init__(self, seed: int) -> None:
        self._random, self.ends = random.Random(seed), asyncio.Event()

    async def call[T](self, effect: Callable[[], Awaitable[T]]) -> T:
        await self._turns()
        if self._random.random() < 0.1:
            raise Problem(Code.WAREHOUSE_DOWN)
        result = await effect()
        await self._turns()
        if self._random.random() < 0.1:
            raise Problem(Code.WAREHOUSE_DOWN)
        return result

    async def _turns(self) -> None:
        for _ in range(self._random.randrange(12)):
            await asyncio.sleep(0)


class Wired:
    """The warehouse and the list, over a wire with weather."""

    def __init__(self, weather: Weather, warehouse: MemoryWarehouse, erasures: MemoryErasures) -> None:
        self._weather, self._warehouse, self._erasures = weather, warehouse, erasures

    async def write(self, row: SafeRow) -> None:
        await self._weather.call(lambda: self._warehouse.write(row))

    async def rows_of(self, project: str, key_id: str, patient: str, since: str) -> Sequence[tuple[str, str]]:
        return await self._weather.call(lambda: self._warehouse.rows_of(project, key_id, patient, since))

    async def purge(self, project: str, key_id: str, keys: Collection[str]) -> None:
        await self._weather.call(lambda: self._warehouse.purge(project, key_id, keys))

    async def remains(self, project: str, key_id: str, patient: str, keys: Collection[str]) -> Counts:
        return await self._weather.call(lambda: self._warehouse.remains(project, key_id, patient, keys))

    async def suppress(self, project: str, key_id: str, patient: str) -> None:
        await self._weather.call(lambda: self._erasures.suppress(project, key_id, patient))

    async def among(self, project: str, key_id: str, patients: Collection[str]) -> frozenset[str]:
        return await self._weather.call(lambda: self._erasures.among(project, key_id, patients))

    async def prove(self, proof: Proof) -> None:
        await self._weather.call(lambda: self._erasures.prove(proof))

    async def proofs(self, order: str) -> Sequence[Proof]:
        return await self._erasures.proofs(order)

    async def close(self) -> None:
        """Nothing is held."""


async def _day(seed: int, guarded: type[Guarded] = Guarded) -> tuple[MemoryWarehouse, Sequence[Proof]]:
    """Every row, some of them twice, and the erasure somewhere among them."""
    weather, warehouse, erasures = Weather(seed), MemoryWarehouse({"north"}, {"k1"}), MemoryErasures()
    wired = Wired(weather, warehouse, erasures)
    proving = Proving(wired, wired, None, lambda: 0.0)
    sinks = Sinks(MemoryPublisher(), lambda: 0.0, guarded(wired, wired, wired), erasing=wired, proving=proving)
    read = patients_rows(proving.find, _RELEASES)

    async def deliver(data: Data, number: int) -> None:
        arrived: Any = event(data, f"{number:064x}")
        while True:
            try:
                for effect in await analyse(arrived, await read.fetch(arrived), releases=_RELEASES, outgoing={}):
                    await sinks.apply(effect, ON, arrived)
            except Problem:
                continue
            return

    said: list[Data] = [*(row.event() for row in (*ROWS, *ROWS[:3])), ERASURE]
    random.Random(seed).shuffle(said)
    await asyncio.gather(*(deliver(data, number) for number, data in enumerate(said)))
    return warehouse, await erasures.proofs(ERASURE.order)


def _left(warehouse: MemoryWarehouse) -> list[SafeRow]:
    rows = [*warehouse.current.values(), *warehouse.log]
    return [row for row in rows if not row.deleted and NAME in patients(row)]


async def test_in_whatever_order_they_come_an_erasure_leaves_nothing_of_its_patient_and_all_of_the_other() -> None:
    for seed in range(_SEEDS):
        warehouse, proofs = await _day(seed)
        assert not _left(warehouse), seed
        his = {key for key, row in warehouse.current.items() if row.sequence == LAST}
        assert {key for _, _, key in his} >= {NAME, f"{2:032x}", f"{3:032x}"}, seed
        assert not [line for line in warehouse.view("north", "condition") if line[0] in {key for _, _, key in his}], (
            seed
        )
        kept = {row.key for row in warehouse.resources("north")}
        assert kept == {OTHER, f"{9:032x}"}, seed
        assert {row.key for row in warehouse.log if not row.deleted} == kept, seed
        assert len(proofs) == 1, seed


class _LooksOnce(Guarded):
    """As if nobody needed to look again once the row is written."""

    async def write(self, row: SafeRow) -> None:
        if row.deleted or not await self._suppressed(row):
            await self._warehouse.write(row)
            return
        await super().write(row)


class _LooksAfterwards(Guarded):
    """As if a row of an erased patient had only to be left out."""

    async def write(self, row: SafeRow) -> None:
        if row.deleted or not await self._suppressed(row):
            await self._warehouse.write(row)
            if await self._suppressed(row) and not row.deleted:
                await self._bury(row)


@pytest.mark.parametrize("wrong", [_LooksOnce, _LooksAfterwards])
async def test_a_guard_that_looks_less_lets_something_in_and_these_days_see_it(wrong: type[Guarded]) -> None:
    for seed in range(_SEEDS * 20):
        if _left((await _day(seed, wrong))[0]):
            return
    pytest.fail("nothing was left, so these days would not see it")


async def test_a_row_of_an_erased_patient_is_never_written_not_even_for_a_moment() -> None:
    warehouse, erasures = MemoryWarehouse({"north"}, {"k1"}), MemoryErasures()
    written: list[SafeRow] = []

    class Watched(MemoryWarehouse):
        async def write(self, row: SafeRow) -> None:
            written.append(row)
            await warehouse.write(row)

    await erasures.suppress("north", "k1", NAME)
    guarded = Guarded(Watched({"north"}), erasures, warehouse)
    for row in (patient(), condition(2), replace(condition(2), deleted=True, resource=None), condition(9, OTHER)):
        await guarded.write(row)
    assert [row.key for row in written if not row.deleted] == [f"{9:032x}"]


async def test_what_can_not_be_checked_is_not_written() -> None:
    class Down(MemoryErasures):
        async def among(self, project: str, key_id: str, patients: Collection[str]) -> frozenset[str]:
            raise Problem(Code.LEDGER_DOWN)

    warehouse = MemoryWarehouse({"north"}, {"k1"})
    with pytest.raises(Problem) as down:
        await Guarded(warehouse, Down(), warehouse).write(patient())
    assert down.value.code is Code.LEDGER_DOWN
    assert not warehouse.log
