"""Medplum as the clinical zone sees it: versions read back, deletions confirmed, AuditEvents written once.

    an event's reference ─► vread ─► checked against the reference ─► Phi[Resource]
    a claimed deletion   ─► read says 410 ─► _history names the last version
    an access            ─► conditional create by tag, with whichever auditor has points left
    a sweep              ─► searches and histories, read for ids and versions (sweep.py)

Each tenant has a client that reads and others that write audit records, since a quota that is spent on writing also
blocks reading: 500 creates a minute for each. Conditional creates are sent one by one: only so has Medplum been seen
to keep them free of races.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from urllib.parse import quote

import httpx
import orjson

from shared.errors import Code, Problem
from shared.events.data import DeletionClaimed, Reference
from shared.fhir.account import CONDITIONAL_CREATE, HISTORY, READ, Account, Answer
from shared.fhir.answers import Undecided, current_in, deletion_in, version_in
from shared.fhir.event_tag import EVENT_SYSTEM, tagged
from shared.fhir.port import Deletion, Page, Resource, Version
from shared.fhir.sweep import Sweep
from shared.phi import Phi
from shared.settings import Tenant

_EXTENDED = {"X-Medplum": "extended"}  # with meta.project
_GONE = frozenset({404, 410})
_PAGE = 4  # times what a resource may be long


class MedplumClient:
    """Reader, Sweeper and AuditWriter for a set of tenants.

    `http` is the caller's and stays open; `timeout` is for a call; `role` is what the readers are for, in metrics.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        base_url: str,
        tenants: Sequence[Tenant],
        resource_limit: int,
        timeout: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        role: str = "reader",
    ) -> None:
        self._limit, self._timeout = resource_limit, timeout
        self._readers = {
            tenant.project: Account(http, base_url, tenant.reader, clock, role) if tenant.reader else None
            for tenant in tenants
        }
        self._auditors = {
            tenant.project: tuple(Account(http, base_url, client, clock, "auditor") for client in tenant.auditors)
            for tenant in tenants
        }
        self._turns = count()

    async def version(self, reference: Reference) -> Phi[Resource]:
        """See port.Reader."""
        path = f"{_path(reference)}/_history/{_step(reference.version)}"
        async with self._deadline():
            answer = await self._reader(reference.project).request(
                "GET", path, points=READ, limit=self._limit, headers=_EXTENDED
            )
        if answer.status in _GONE:
            raise Problem(Code.VERSION_GONE, "version")
        return version_in(_found(answer), reference)

    async def current(self, project: str, type: str, id: str) -> Phi[Resource] | None:
        """See port.Reader."""
        if not id.strip("."):
            return None  # fits FHIR's pattern of an id, and would lead elsewhere
        async with self._deadline():
            answer = await self._reader(project).request(
                "GET", f"{type}/{id}", points=READ, limit=self._limit, headers=_EXTENDED
            )
        return None if answer.status in _GONE else current_in(_found(answer), project, type, id)

    async def deletion(self, claim: DeletionClaimed) -> Deletion:
        """See port.Reader."""
        account, path = self._reader(claim.project), _path(claim)
        async with self._deadline():
            await self._confirm(account, path)
            # Two entries name the deletion and the version before it, and bring the least of the patient's data.
            answer = await account.request(
                "GET",
                f"{path}/_history",
                points=HISTORY,
                limit=2 * self._limit,
                params={"_count": "2"},
                headers=_EXTENDED,
            )
            if answer.status in _GONE:
                raise Problem(Code.VERSION_GONE, "history")
            try:
                return deletion_in(_found(answer), claim)
            except Undecided as undecided:
                # Still gone: the deletion and the last write share a millisecond. Back again: it was undone.
                await self._confirm(account, path)
                return undecided.deletion

    async def create_once(self, project: str, tag: str, audit_event: Resource) -> bool:
        """See port.AuditWriter."""
        auditors = self._auditors.get(project)
        if auditors is None:
            raise Problem(Code.UNKNOWN_PROJECT, "project")
        if not auditors:
            raise Problem(Code.MEDPLUM_DENIED, "auditors")
        content = orjson.dumps(tagged(audit_event, tag))
        turn = next(self._turns)
        waits: list[float] = []
        async with self._deadline():
            for step in range(len(auditors)):
                try:
                    return await self._create(auditors[(turn + step) % len(auditors)], tag, content)
                except Problem as problem:
                    if problem.code is not Code.MEDPLUM_BUSY:
                        raise
                    waits.append(problem.retry_after or 0.0)
        raise Problem(Code.MEDPLUM_BUSY, "quota", retry_after=min(waits))

    async def live(self, project: str, type: str, *, since: str | None = None, cursor: str | None = None) -> Page:
        """See port.Sweeper."""
        async with self._deadline():
            return await self._sweep(project).live(type, since, cursor)

    async def count(self, project: str, type: str) -> int:
        """See port.Sweeper."""
        async with self._deadline():
            return await self._sweep(project).count(type)

    async def versions(self, project: str, type: str, id: str) -> tuple[Version, ...]:
        """See port.Sweeper."""
        async with self._deadline():
            return await self._sweep(project).versions(type, id)

    async def close(self) -> None:
        """Nothing to close: the HTTP client is the caller's."""

    async def _create(self, auditor: Account, tag: str, content: bytes) -> bool:
        answer = await auditor.request(
            "POST",
            "AuditEvent",
            points=CONDITIONAL_CREATE,
            limit=self._limit,
            headers={
                "Content-Type": "application/fhir+json",
                "If-None-Exist": f"_tag={EVENT_SYSTEM}|{quote(tag, safe='')}",
            },
            content=content,
        )
        match answer.status:
            case 201:
                return True
            case 200 | 412:  # 412: more than one is there, which somebody else's write must have made
                return False
            case 404:
                raise Problem(Code.MEDPLUM_DENIED, "AuditEvent")
            case _:
                raise Problem(Code.AUDIT_REFUSED, "AuditEvent")

    async def _confirm(self, account: Account, path: str) -> None:
        """Return if the resource is gone. Raises Problem(NOT_DELETED)."""
        answer = await account.request("GET", path, points=READ, limit=self._limit, params={"_elements": "id"})
        if answer.status not in _GONE:
            _found(answer)
            raise Problem(Code.NOT_DELETED, "resource")

    def _sweep(self, project: str) -> Sweep:
        return Sweep(self._reader(project), project, _PAGE * self._limit)

    def _reader(self, project: str) -> Account:
        if project not in self._readers:
            raise Problem(Code.UNKNOWN_PROJECT, "project")
        reader = self._readers[project]
        if reader is None:
            raise Problem(Code.MEDPLUM_DENIED, "reader")
        return reader

    @asynccontextmanager
    async def _deadline(self) -> AsyncIterator[None]:
        """The whole of a call, token and second attempts included, ends in time."""
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except TimeoutError:
            raise Problem(Code.MEDPLUM_DOWN, "timeout") from None


def _path(named: Reference | DeletionClaimed) -> str:
    return f"{named.type}/{_step(named.id)}"


def _step(id: str) -> str:
    """An id as a step of a path. `.` and `..` fit FHIR's pattern of an id, and would lead elsewhere."""
    if not id.strip("."):
        raise Problem(Code.VERSION_GONE, "id")
    return id


def _found(answer: Answer) -> bytes:
    """The body of a 200. Any other status that got here is none that Medplum gives to such a read."""
    if answer.status != 200:
        raise Problem(Code.MEDPLUM_DOWN, "status")
    return answer.body
