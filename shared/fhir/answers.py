"""What Medplum's bytes must be before anybody may believe them. Both adapters of the port read through here.

Against: an answer that is another resource than the event names (a proxy, a cache, a super-admin client that sees more
than one project), and JSON that two readers read differently. The project is believed only from the extended meta.
"""

from collections.abc import Iterator, Mapping, Sequence

from shared.errors import Code, Problem
from shared.events.data import DeletionClaimed, Reference
from shared.fhir.port import Deletion, Resource
from shared.phi import Phi
from shared.strict_json import NotStrictJson, parse_object


def version_in(body: bytes, reference: Reference) -> Phi[Resource]:
    """The resource, if it is the version that was asked for.

    Raises Problem: RESOURCE_NOT_JSON, FOREIGN_PROJECT, RESOURCE_MISMATCH.
    """
    resource = _object(body)
    meta = _member(resource, "meta")
    _same_project(meta, reference.project)
    for element, found, wanted in (
        ("resourceType", resource.get("resourceType"), reference.type),
        ("id", resource.get("id"), reference.id),
        ("meta.versionId", meta.get("versionId"), reference.version),
    ):
        if found != wanted:
            raise Problem(Code.RESOURCE_MISMATCH, element)
    return Phi(resource)


def current_in(body: bytes, project: str, type: str, id: str) -> Phi[Resource]:
    """The resource, if it is the one that was asked for. Raises Problem as `version_in`."""
    resource = _object(body)
    _same_project(_member(resource, "meta"), project)
    for element, wanted in (("resourceType", type), ("id", id)):
        if resource.get(element) != wanted:
            raise Problem(Code.RESOURCE_MISMATCH, element)
    return Phi(resource)


class Undecided(Exception):
    """The newest entry of the history is not the deletion: it was undone, or has the same instant as a write."""

    def __init__(self, deletion: Deletion) -> None:
        super().__init__()
        self.deletion = deletion


def deletion_in(body: bytes, claim: DeletionClaimed) -> Deletion:
    """The last version in a history, newest first, that a deletion ends.

    Raises Problem: RESOURCE_NOT_JSON, FOREIGN_PROJECT, RESOURCE_MISMATCH, VERSION_GONE (no version is named); and
    Undecided.
    """
    entries = list(_entries(_object(body)))
    for newest, entry in enumerate(entries):
        resource = entry.get("resource")
        if isinstance(resource, Mapping):
            deletion = _deletion(resource, claim)
            if newest == 0:
                raise Undecided(deletion)
            return deletion
    raise Problem(Code.VERSION_GONE, "Bundle.entry")


def _deletion(resource: Mapping[str, object], claim: DeletionClaimed) -> Deletion:
    meta = _member(resource, "meta")
    _same_project(meta, claim.project)
    if (resource.get("resourceType"), resource.get("id")) != (claim.type, claim.id):
        raise Problem(Code.RESOURCE_MISMATCH, "Bundle.entry.resource")
    version, updated = meta.get("versionId"), meta.get("lastUpdated")
    if not isinstance(version, str) or not isinstance(updated, str):
        raise Problem(Code.RESOURCE_MISMATCH, "Bundle.entry.resource.meta")
    return Deletion(version, updated)


def _object(body: bytes) -> dict[str, object]:
    try:
        return parse_object(body)
    except NotStrictJson:
        raise Problem(Code.RESOURCE_NOT_JSON, "body") from None


def _same_project(meta: Mapping[str, object], project: str) -> None:
    if meta.get("project") != project:
        raise Problem(Code.FOREIGN_PROJECT, "meta.project")


def _member(parent: Mapping[str, object], name: str) -> Mapping[str, object]:
    """An object that is a member, or an empty one."""
    member = parent.get(name)
    return member if isinstance(member, dict) else {}


def _entries(bundle: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    listed = bundle.get("entry")
    if bundle.get("resourceType") != "Bundle":
        raise Problem(Code.RESOURCE_MISMATCH, "resourceType")
    if isinstance(listed, Sequence) and not isinstance(listed, str):
        yield from (entry for entry in listed if isinstance(entry, dict))
