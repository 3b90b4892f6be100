"""One sweep over one resource type of one tenant: walk, compare, and publish what is missing.

    recent   what changed since an instant; each version is looked for in the change log
    whole    everything that is there, against the current rows; with `histories` every version too; then what vanished

A version that the ledger knows of was told: it is in work, on its way, or set aside for an operator. It is counted and
not published again. What changed a moment ago is left to the next sweep: it is on its way.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from handlers.reconcile.compare import Standing, standing, too_many, vanished
from handlers.reconcile.publish import Events
from shared.deid.door import Door
from shared.deid.row import ERASED
from shared.errors import Code, Problem
from shared.fhir.port import Sweeper, Version
from shared.ledger.port import Ledger, State
from shared.settings import Tenant
from shared.sinks.keys import KeyRow, WarehouseKeys

SETTLE = 300.0  # seconds for which a change may be on its way, unless the settings say otherwise
_AT_ONCE = 8  # histories asked for
_TRIES = 6
_PASSING = frozenset({Code.MEDPLUM_BUSY, Code.MEDPLUM_DOWN, Code.PUBSUB_DOWN, Code.LEDGER_DOWN, Code.WAREHOUSE_DOWN})


class Findings(Struct):
    """Of one type of one tenant. Resources count once, however many datasets they are wrong in."""

    project: str  # the tenant's public name
    type: str
    there: int = 0  # resources that Medplum shows
    rows: int = 0  # current rows, tombstones left out, of the first dataset
    missing: int = 0
    stale: int = 0
    extra: int = 0  # rows whose resource has vanished, of all datasets
    hidden: int = 0  # there, but under a tombstone of the same version
    versions: int = 0  # older versions that the change log lacks
    under_way: int = 0  # of the missing, stale and older ones: known to the ledger, not ended badly
    set_aside: int = 0  # of them: in quarantine
    published: int = 0
    stopped: bool = False  # too much would vanish: nothing was buried
    failed: str = ""  # the code under which the sweep ended early

    @property
    def clean(self) -> bool:
        """Whether nothing is left for somebody to look at."""
        return not (self.missing or self.stale or self.extra or self.versions or self.hidden or self.failed)


class Sweep(Struct, frozen=True):
    """`now` is seconds since the epoch; `apply` says whether anything is published."""

    tenant: Tenant
    doors: Sequence[Door]
    sweeper: Sweeper
    keys: WarehouseKeys
    ledger: Ledger
    events: Events
    now: Callable[[], float]
    apply: bool = True
    settle: float = SETTLE
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def recent(self, type: str, since: str | None) -> Findings:
        """What changed since an instant and was not told of. Raises Problem when a port stays down."""
        found = Findings(self.tenant.name, type)
        async for page in self._walk(type, since):
            settled = [version for version in page if self._settled(version)]
            found.there += len(settled)
            await self._versions(found, type, settled, Standing.STALE)
        return found

    async def whole(self, type: str, *, histories: bool = False, allow: bool = False) -> Findings:
        """Everything of a type. `allow`: somebody has looked at how much would vanish. Raises Problem."""
        found = Findings(self.tenant.name, type)
        rows = [await self._rows(door, type) for door in self.doors]  # before the walk: see compare.py
        met: list[set[str]] = [set() for _ in self.doors]
        async for page in self._walk(type, None):
            found.there += len(page)
            for version in page:
                for door, keys in zip(self.doors, met, strict=True):
                    keys.add(door.pseudonyms.id(type, version.id))
                if self._settled(version):
                    await self._standing(found, type, version, rows)
            if histories:
                await self._versions(found, type, [one for one in page if self._settled(one)], None)
        for door, before, keys in zip(self.doors, rows, met, strict=True):
            await self._bury(found, door, type, before, keys, allow=allow)
        found.rows = sum(not row.deleted for row in rows[0].values())
        return found

    async def backfill(
        self, type: str, since: str | None, *, histories: bool = False
    ) -> AsyncIterator[tuple[Findings, str]]:
        """Tell of what is missing, stale, or there under an older generation; the findings so far, and a mark, by page."""
        found = Findings(self.tenant.name, type)
        rows = [await self._rows(door, type) for door in self.doors]
        found.rows = sum(not row.deleted for row in rows[0].values())
        async for page in self._walk(type, since):
            settled = [version for version in page if self._settled(version)]
            found.there += len(page)
            if histories:
                await self._versions(found, type, settled, None)
            for version in settled:
                await self._standing(found, type, version, rows, newer=self.tenant.generation)
            yield found, page[-1].last_updated if page else ""

    async def _walk(self, type: str, since: str | None) -> AsyncIterator[tuple[Version, ...]]:
        cursor: str | None = None
        seen = False
        while True:
            page = await self._patiently(self.sweeper.live, self.tenant.project, type, since=since, cursor=cursor)
            if page.versions and not seen:
                seen = True
                await self.events.searched(type)  # also where nothing is applied: what came held PHI
            yield page.versions
            if (cursor := page.cursor) is None:
                return

    async def _rows(self, door: Door, type: str) -> Mapping[str, KeyRow]:
        return await self._patiently(self.keys.keys, self.tenant.name, door.pseudonyms.key_id, type)

    async def _standing(
        self, found: Findings, type: str, version: Version, rows: Sequence[Mapping[str, KeyRow]], *, newer: int = 0
    ) -> None:
        """Whether a resource that is there is in all datasets as it should be, and if not, tell of it. See `standing`."""
        stands = set()
        for door, dataset in zip(self.doors, rows, strict=True):
            names = door.pseudonyms
            row = dataset.get(names.id(type, version.id))
            stands.add(standing(row, names.version(type, version.id, version.version), newer))
        if Standing.HIDDEN in stands:
            found.hidden += 1
        if Standing.MISSING in stands:
            found.missing += 1
        elif Standing.STALE in stands:
            found.stale += 1
        if stands & {Standing.MISSING, Standing.STALE}:
            await self._tell(found, type, version)

    async def _versions(self, found: Findings, type: str, page: Sequence[Version], newest_too: Standing | None) -> None:
        """Look for every version of these resources in the change logs. The newest are counted only if asked for."""
        if not page:
            return
        logs = [await self._log(door, type, page) for door in self.doors]
        slots = asyncio.Semaphore(_AT_ONCE)

        async def history(version: Version) -> tuple[Version, ...]:
            async with slots:
                return await self._patiently(self.sweeper.versions, self.tenant.project, type, version.id)

        for newest, versions in zip(page, await asyncio.gather(*map(history, page)), strict=True):
            for version in versions or (newest,):
                if not self._settled(version) or self._logged(logs, type, version):
                    continue
                if version.version != newest.version:
                    found.versions += 1
                elif newest_too is None:
                    continue
                elif any(log[door.pseudonyms.id(type, newest.id)] for door, log in zip(self.doors, logs, strict=True)):
                    found.stale += 1
                else:
                    found.missing += 1
                await self._tell(found, type, version)

    async def _log(self, door: Door, type: str, page: Sequence[Version]) -> Mapping[str, frozenset[str]]:
        names = [door.pseudonyms.id(type, version.id) for version in page]
        key_id = door.pseudonyms.key_id
        return await self._patiently(self.keys.versions, self.tenant.name, key_id, type, names)

    def _logged(self, logs: Sequence[Mapping[str, frozenset[str]]], type: str, version: Version) -> bool:
        return all(
            not log[door.pseudonyms.id(type, version.id)].isdisjoint(
                (door.pseudonyms.version(type, version.id, version.version), ERASED)
            )
            for door, log in zip(self.doors, logs, strict=True)
        )

    async def _tell(self, found: Findings, type: str, version: Version) -> None:
        """Publish a version, unless the ledger knows that it was told."""
        id = self.events.id(type, version)
        record = await self._patiently(self.ledger.get, f"validation:{id}")
        if record is not None and record.expires > self.now():
            if record.state is State.POISON:
                found.set_aside += 1
            else:
                found.under_way += 1
        elif self.events.lately.seen(id, self.now()):
            found.under_way += 1
        elif self.apply:
            await self._patiently(self.events.changed, type, version)
            found.published += 1

    async def _bury(
        self, found: Findings, door: Door, type: str, rows: Mapping[str, KeyRow], met: set[str], *, allow: bool
    ) -> None:
        gone = vanished(met, rows)
        found.extra += len(gone)
        if too_many(len(gone), sum(not row.deleted for row in rows.values())) and not allow:
            found.stopped = True
        elif self.apply:
            for row in gone:
                await self._patiently(self.events.vanished, door, type, row)
                found.published += 1

    def _settled(self, version: Version) -> bool:
        return datetime.fromisoformat(version.last_updated).timestamp() <= self.now() - self.settle

    async def _patiently[**P, T](self, call: Callable[P, Awaitable[T]], *args: P.args, **options: P.kwargs) -> T:
        """A call that waits for its turn in Medplum's quota, and out short outages. Raises the last Problem."""
        for again in range(_TRIES):
            try:
                return await call(*args, **options)
            except Problem as problem:
                if again + 1 == _TRIES or problem.code not in _PASSING:
                    raise
                await self.sleep(problem.retry_after or 2.0**again)
        raise AssertionError("unreachable")
