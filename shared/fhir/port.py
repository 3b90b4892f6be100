"""The ports of the FHIR layer, kept by the Medplum client and by its memory twin."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from shared.events.data import DeletionClaimed, Reference
from shared.phi import Phi

type Resource = Mapping[str, object]

ACCOUNTS = frozenset({"AuditEvent", "Task", "Provenance"})  # what an AuditWriter writes


class Deletion(Struct, frozen=True):
    """A deletion that Medplum confirmed: the last version before it."""

    version: str
    last_updated: str


class Version(Struct, frozen=True):
    """A version of a resource, without its content."""

    id: str
    version: str
    last_updated: str


class Page(Struct, frozen=True):
    """Versions, and the cursor with which the next page is had; None: this was the last.

    The cursor is opaque and names an id: it lives no longer than the walk, and is neither stored nor logged.
    """

    versions: tuple[Version, ...]
    cursor: str | None


class Reader(Protocol):
    async def version(self, reference: Reference) -> Phi[Resource]:
        """The version that an event names, read back (vread) with the client of the event's project.

        Raises Problem: VERSION_GONE (404, 410); UNKNOWN_PROJECT; FOREIGN_PROJECT (its meta.project is another);
        RESOURCE_TOO_LARGE; RESOURCE_NOT_JSON (duplicate keys and NaN too); RESOURCE_MISMATCH (type, id or version
        differ); MEDPLUM_DOWN, MEDPLUM_BUSY (with retry_after), MEDPLUM_DENIED.
        """
        ...

    async def current(self, project: str, type: str, id: str) -> Phi[Resource] | None:
        """A resource as it is now; None when it is not there (404, 410). Raises Problem as `version`."""
        ...

    async def deletion(self, claim: DeletionClaimed) -> Deletion:
        """Confirm a deletion: the resource answers 410 (or 404: expunged) and `_history` names its last version.

        Raises Problem NOT_DELETED when the resource still answers, VERSION_GONE when there is no history to name a
        version (nothing of ours can then be told apart from a forgery; reconcile finds what it was), and the codes of
        `version`.
        """
        ...

    async def close(self) -> None: ...


class AuditWriter(Protocol):
    async def create_once(self, project: str, tag: str, audit_event: Resource) -> bool:
        """Create the AuditEvent (or Task, Provenance) unless one with this meta.tag code (system urn:starvit:event) is there.

        True when it was created. Race-safe: If-None-Exist. Raises Problem: UNKNOWN_PROJECT, AUDIT_REFUSED (400, 422),
        MEDPLUM_DOWN, MEDPLUM_BUSY (429, with retry_after from the RateLimit header), MEDPLUM_DENIED.
        """
        ...

    async def close(self) -> None: ...


class Sweeper(Protocol):
    """What is there, for finding what no webhook told us. Ids, versions and instants only; never content.

    All raise Problem: UNKNOWN_PROJECT; FOREIGN_PROJECT (meta.project is another); RESOURCE_MISMATCH (another type, or
    an id, version or lastUpdated that is not of FHIR's form); RESOURCE_TOO_LARGE (a single entry is); MEDPLUM_DOWN
    (a malformed page too), MEDPLUM_BUSY (with retry_after), MEDPLUM_DENIED.
    """

    async def live(self, project: str, type: str, *, since: str | None = None, cursor: str | None = None) -> Page:
        """At most 1000 of the resources of a type that are there now, oldest lastUpdated first, then by id.

        From `since` (inclusive) on, or from the cursor of the page before; then `since` is not looked at. Walking to
        the last page meets every resource that is there all the while: once, and once more for each change meanwhile.
        """
        ...

    async def count(self, project: str, type: str) -> int:
        """How many resources of a type are there now. Above a million, Medplum only estimates."""
        ...

    async def versions(self, project: str, type: str, id: str) -> tuple[Version, ...]:
        """All versions that `_history` still names, oldest first, without the deletions; () if there is no history."""
        ...

    async def close(self) -> None: ...
