"""Medplum as the clinical zone sees it: versions read back, deletions confirmed, AuditEvents written once.

    an event's reference ─► vread ─► checked against the reference ─► Phi[Resource]
    a claimed deletion   ─► read says 410 ─► _history names the last version
    an access            ─► conditional creates by tag, in batches, with whichever auditor has points left (auditing.py)
    a sweep              ─► searches and histories, read for ids and versions (sweep.py)

Each tenant has a client that reads and others that write audit records, since a quota that is spent on writing also
blocks reading: 500 creates a minute for each.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import httpx

from shared.deadlines import Deadlines
from shared.errors import Code, Problem
from shared.events.data import DeletionClaimed, Reference
from shared.fhir.account import HISTORY, READ, Account, Answer
from shared.fhir.answers import Undecided, current_in, deletion_in, version_in
from shared.fhir.auditing import Auditors
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
        self._limit, self._deadlines = resource_limit, Deadlines(timeout)
        self._readers = {
            tenant.project: Account(http, base_url, tenant.reader, clock, role) if tenant.reader else None
            for tenant in tenants
        }
        self._auditors = {
            tenant.project: Auditors(
                [Account(http, base_url, client, clock, "auditor") for client in tenant.auditors], timeout
            )
            for tenant in tenants
        }

    async def version(self, reference: Reference) -> Phi[Resource]:
        """See port.Reader."""
        path = f"{_path(reference)}/_history/{_step(reference.version)}"
        with self._deadline():
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
        with self._deadline():
            answer = await self._reader(project).request(
                "GET", f"{type}/{id}", points=READ, limit=self._limit, headers=_EXTENDED
            )
        return None if answer.status in _GONE else current_in(_found(answer), project, type, id)

    async def deletion(self, claim: DeletionClaimed) -> Deletion:
        """See port.Reader."""
        account, path = self._reader(claim.project), _path(claim)
        with self._deadline():
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
        return await auditors.create_once(tag, audit_event)

    async def live(self, project: str, type: str, *, since: str | None = None, cursor: str | None = None) -> Page:
        """See port.Sweeper."""
        with self._deadline():
            return await self._sweep(project).live(type, since, cursor)

    async def count(self, project: str, type: str) -> int:
        """See port.Sweeper."""
        with self._deadline():
            return await self._sweep(project).count(type)

    async def versions(self, project: str, type: str, id: str) -> tuple[Version, ...]:
        """See port.Sweeper."""
        with self._deadline():
            return await self._sweep(project).versions(type, id)

    async def close(self) -> None:
        """Nothing to close: the HTTP client is the caller's."""

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

    @contextmanager
    def _deadline(self) -> Iterator[None]:
        """The whole of a call, token and second attempts included, ends in time."""
        try:
            with self._deadlines.one():
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
