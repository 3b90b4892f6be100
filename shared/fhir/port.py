"""The ports of the FHIR layer, kept by the Medplum client and by its memory twin."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from shared.events.data import DeletionClaimed, Reference
from shared.phi import Phi

type Resource = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Deletion:
    """A deletion that Medplum confirmed: the last version before it."""

    version: str
    last_updated: str


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
        """Create the AuditEvent unless one with this meta.tag code (system urn:starvit:event) is there.

        True when it was created. Race-safe: If-None-Exist. Raises Problem: UNKNOWN_PROJECT, AUDIT_REFUSED (400, 422),
        MEDPLUM_DOWN, MEDPLUM_BUSY (429, with retry_after from the RateLimit header), MEDPLUM_DENIED.
        """
        ...

    async def close(self) -> None: ...
