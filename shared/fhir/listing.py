"""A Bundle that lists versions, read for three strings of each and nothing else. Both adapters read through here.

    a searchset or a history ─► checked ─► id, version, lastUpdated

`_elements` leaves a resource's mandatory elements in (an Observation's code, a Condition's subject), and a history has
all of them, so such a Bundle is PHI from end to end. It does not outlive the call that reads it, and no error says
anything of it.

A Place is where a walk stands in the order of lastUpdated and id. It has a text form, which is the port's cursor.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Self

from msgspec import Struct
from pydantic import TypeAdapter, ValidationError

from shared.errors import Code, Problem
from shared.events.data import FhirId, Instant
from shared.fhir.port import Version
from shared.strict_json import NotStrictJson, parse_object

_ID: TypeAdapter[str] = TypeAdapter(FhirId)
_INSTANT: TypeAdapter[str] = TypeAdapter(Instant)
_CURSOR = re.compile(r"(\d{1,9})\|([^|]{20,35})\|([^|]{1,64})")


class Listing(Struct, frozen=True):
    """What a Bundle lists. `entries` counts those without a resource too: a history's deletions."""

    versions: tuple[Version, ...]
    entries: int
    total: int | None
    more: bool


class Place(Struct, frozen=True):
    """After a version, the `rank`-th that was met of its instant."""

    rank: int
    at: str
    id: str

    @classmethod
    def of(cls, cursor: str) -> Self:
        """The place that a cursor names. Raises ValueError, with nothing of the cursor in it."""
        match = _CURSOR.fullmatch(cursor)
        if match is None:
            raise ValueError("not a cursor")
        rank, at, id = match.groups()
        return cls(int(rank), at, id)

    @property
    def cursor(self) -> str:
        return f"{self.rank}|{self.at}|{self.id}"

    def before(self, version: Version) -> bool:
        """Whether the version comes later in the order than this place."""
        return order(version) > (datetime.fromisoformat(self.at), self.id)


def order(version: Version) -> tuple[datetime, str]:
    """The order of `_sort=_lastUpdated,_id`: Medplum's ids are UUIDs, which its database sorts as their text does."""
    return datetime.fromisoformat(version.last_updated), version.id


def listing_in(body: bytes, project: str, type: str) -> Listing:
    """The versions of a Bundle, if it is one and all are of this type and project.

    Raises Problem: MEDPLUM_DOWN (not such a Bundle), RESOURCE_MISMATCH, FOREIGN_PROJECT.
    """
    try:
        bundle = parse_object(body)
    except NotStrictJson:
        raise Problem(Code.MEDPLUM_DOWN, "page") from None
    entries, links, total = bundle.get("entry", []), bundle.get("link", []), bundle.get("total")
    if (
        bundle.get("resourceType") != "Bundle"
        or not isinstance(entries, list)
        or not isinstance(links, list)
        or not (total is None or isinstance(total, int))
    ):
        raise Problem(Code.MEDPLUM_DOWN, "page")
    resources = [_member(entry, "resource") for entry in entries if not isinstance(entry, dict) or "resource" in entry]
    return Listing(
        versions=tuple(_version(resource, project, type) for resource in resources),
        entries=len(entries),
        total=total,
        more=any(isinstance(link, dict) and link.get("relation") == "next" for link in links),
    )


def _version(resource: Mapping[str, object], project: str, type: str) -> Version:
    meta = _member(resource, "meta")
    if meta.get("project") != project:
        raise Problem(Code.FOREIGN_PROJECT, "meta.project")
    if resource.get("resourceType") != type:
        raise Problem(Code.RESOURCE_MISMATCH, "resourceType")
    return Version(
        id=_text(resource.get("id"), _ID, "id"),
        version=_text(meta.get("versionId"), _ID, "meta.versionId"),
        last_updated=_text(meta.get("lastUpdated"), _INSTANT, "meta.lastUpdated"),
    )


def _member(parent: object, name: str) -> Mapping[str, object]:
    member = parent.get(name) if isinstance(parent, dict) else None
    if not isinstance(member, dict):
        raise Problem(Code.MEDPLUM_DOWN, "page")
    return member


def _text(value: object, form: TypeAdapter[str], element: str) -> str:
    """The value, if it has the form. pydantic's error holds the value, so it must not become our error's context."""
    try:
        return form.validate_python(value, strict=True)
    except ValidationError:
        pass
    raise Problem(Code.RESOURCE_MISMATCH, element)
