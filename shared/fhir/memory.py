"""The twin of the FHIR ports: Medplum's promises without Medplum, for tests and simulations.

It holds bytes and reads them through the same checks as the client does, so that what one refuses the other refuses.
`fail` makes the next calls end in a code, as an outage or a spent quota would.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from shared.errors import Code, Problem
from shared.events.data import DeletionClaimed, Reference
from shared.fhir.answers import current_in, version_in
from shared.fhir.event_tag import tagged
from shared.fhir.listing import Listing, Place, listing_in, order
from shared.fhir.port import ACCOUNTS, Deletion, Page, Resource, Version
from shared.phi import Phi

type _Key = tuple[str, str, str]  # project, type, id

_MOST = 1000  # versions of a page


@dataclass(slots=True)
class _Kept:
    versions: dict[str, bytes] = field(default_factory=dict)
    last: Deletion = field(default_factory=lambda: Deletion("", ""))
    deleted: bool = False


class MemoryFhir:
    """Reader, Sweeper and AuditWriter. `audits` are the AuditEvents of each project, by tag."""

    def __init__(self, projects: Iterable[str], resource_limit: int = 2_000_000) -> None:
        self._projects = frozenset(projects)
        self._limit = resource_limit
        self._kept: dict[_Key, _Kept] = {}
        self._failures: deque[Problem] = deque()
        self.audits: dict[str, dict[str, Resource]] = {project: {} for project in self._projects}
        self.provenances: dict[str, dict[str, Resource]] = {project: {} for project in self._projects}

    def put(self, project: str, resource: Resource) -> Reference:
        """A version, with its meta.versionId and lastUpdated; the project is added. Its reference (generation 0)."""
        meta = resource["meta"]
        assert isinstance(meta, dict)
        reference = Reference(
            project=project,
            type=str(resource["resourceType"]),
            id=str(resource["id"]),
            version=str(meta["versionId"]),
            last_updated=str(meta["lastUpdated"]),
            generation=0,
        )
        self.put_bytes(reference, orjson.dumps({**resource, "meta": {**meta, "project": project}}))
        return reference

    def put_bytes(self, reference: Reference, body: bytes) -> None:
        """What Medplum answers to a reference, whatever it is."""
        kept = self._kept.setdefault((reference.project, reference.type, reference.id), _Kept())
        kept.versions[reference.version] = body
        kept.last = Deletion(reference.version, reference.last_updated)
        kept.deleted = False

    def delete(self, project: str, type: str, id: str) -> None:
        """Delete a resource; its versions stay readable."""
        self._kept[project, type, id].deleted = True

    def expunge(self, project: str, type: str, id: str) -> None:
        """Remove a resource and all its versions."""
        del self._kept[project, type, id]

    def fail(self, code: Code, *, times: int = 1, retry_after: float | None = None) -> None:
        """Let the next calls end in this code."""
        self._failures.extend(Problem(code, "memory", retry_after=retry_after) for _ in range(times))

    async def version(self, reference: Reference) -> Phi[Resource]:
        """See port.Reader."""
        self._enter(reference.project)
        kept = self._kept.get((reference.project, reference.type, reference.id))
        body = kept.versions.get(reference.version) if kept is not None else None
        if body is None:
            raise Problem(Code.VERSION_GONE, "version")
        if len(body) > self._limit:
            raise Problem(Code.RESOURCE_TOO_LARGE, "body")
        return version_in(body, reference)

    async def current(self, project: str, type: str, id: str) -> Phi[Resource] | None:
        """See port.Reader."""
        self._enter(project)
        kept = self._kept.get((project, type, id))
        if kept is None or kept.deleted:
            return None
        body = kept.versions[kept.last.version]
        if len(body) > self._limit:
            raise Problem(Code.RESOURCE_TOO_LARGE, "body")
        return current_in(body, project, type, id)

    async def deletion(self, claim: DeletionClaimed) -> Deletion:
        """See port.Reader."""
        self._enter(claim.project)
        kept = self._kept.get((claim.project, claim.type, claim.id))
        if kept is None:
            raise Problem(Code.VERSION_GONE, "history")
        if not kept.deleted:
            raise Problem(Code.NOT_DELETED, "resource")
        return kept.last

    async def live(self, project: str, type: str, *, since: str | None = None, cursor: str | None = None) -> Page:
        """See port.Sweeper."""
        self._enter(project)
        place = Place.of(cursor) if cursor is not None else None
        first = datetime.fromisoformat(since) if since is not None else None
        later = sorted(
            (
                version
                for version in self._live(project, type)
                if (place.before(version) if place else first is None or order(version)[0] >= first)
            ),
            key=order,
        )
        bodies = (self._kept[project, type, version.id].versions[version.version] for version in later[:_MOST])
        versions = _listing(bodies, project, type).versions
        if len(later) <= _MOST:
            return Page(versions, None)
        return Page(versions, Place(0, versions[-1].last_updated, versions[-1].id).cursor)

    async def count(self, project: str, type: str) -> int:
        """See port.Sweeper."""
        self._enter(project)
        return len(self._live(project, type))

    async def versions(self, project: str, type: str, id: str) -> tuple[Version, ...]:
        """See port.Sweeper."""
        self._enter(project)
        kept = self._kept.get((project, type, id))
        versions = _listing(kept.versions.values(), project, type).versions if kept is not None else ()
        if any(version.id != id for version in versions):
            raise Problem(Code.RESOURCE_MISMATCH, "id")
        return versions

    async def create_once(self, project: str, tag: str, audit_event: Resource) -> bool:
        """See port.AuditWriter."""
        self._enter(project)
        kind = audit_event.get("resourceType")
        if kind not in ACCOUNTS:
            raise Problem(Code.AUDIT_REFUSED, "resourceType")
        kept = (self.provenances if kind == "Provenance" else self.audits)[project]
        if tag in kept:
            return False
        kept[tag] = tagged(audit_event, tag)
        return True

    async def close(self) -> None:
        """Nothing to close."""

    def _live(self, project: str, type: str) -> list[Version]:
        return [
            Version(id, kept.last.version, kept.last.last_updated)
            for (owner, kind, id), kept in self._kept.items()
            if (owner, kind) == (project, type) and not kept.deleted
        ]

    def _enter(self, project: str) -> None:
        if project not in self._projects:
            raise Problem(Code.UNKNOWN_PROJECT, "project")
        if self._failures:
            raise self._failures.popleft()


def _listing(bodies: Iterable[bytes], project: str, type: str) -> Listing:
    """The bodies in a Bundle, read as the client reads Medplum's."""
    entries = b",".join(b'{"resource":' + body + b"}" for body in bodies)
    return listing_in(b'{"resourceType":"Bundle","entry":[' + entries + b"]}", project, type)
