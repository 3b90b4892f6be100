"""How an AuditEvent is known again: by a tag in its meta, since R4's AuditEvent has no identifier.

Medplum's conditional create on that tag is race-safe, so one access makes one record however often its event comes.
"""

from collections.abc import Mapping

from shared.fhir.port import Resource

EVENT_SYSTEM = "urn:starvit:event"


def tagged(audit_event: Resource, tag: str) -> Resource:
    """The AuditEvent with this tag, in place of any other of our system."""
    meta = audit_event.get("meta")
    kept: Mapping[str, object] = meta if isinstance(meta, Mapping) else {}
    given = kept.get("tag")
    others = [t for t in given if t.get("system") != EVENT_SYSTEM] if isinstance(given, list) else []
    return {**audit_event, "meta": {**kept, "tag": [*others, {"system": EVENT_SYSTEM, "code": tag}]}}
