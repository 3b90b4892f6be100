"""The AuditEvent of an access: FHIR R4 AuditEvent, with the codes of DICOM and IHE BALP (Basic Audit Log Patterns).

The correlation id is Medplum's x-trace-id, so that a record of ours joins with those that Medplum writes itself
(extension `tracing`). No display, no name, no value: the references say enough.
"""

from base64 import b64encode
from datetime import UTC

from shared.events.data import Accessed
from shared.fhir.port import Resource

_TRACING = "https://medplum.com/fhir/StructureDefinition/tracing"
_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_REST = "http://hl7.org/fhir/restful-interaction"
_PURPOSE = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_SUBTYPE = {"read": "read", "vread": "vread", "history": "history-instance", "search": "search-type"}
_REASON = dict.fromkeys(("validation", "de-identification", "reconciliation"), "HOPERAT")  # healthcare operations


def audit_event(access: Accessed, *, correlation: str) -> Resource:
    """The AuditEvent, without id and tag (the writer sets the tag that makes it unique)."""
    entity: dict[str, object] = {
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "2"},
    }
    if access.id is None:
        entity["query"] = b64encode(access.type.encode()).decode()
    else:
        version = f"/_history/{access.version}" if access.version else ""
        entity["what"] = {"reference": f"{access.type}/{access.id}{version}"}
    return {
        "resourceType": "AuditEvent",
        "extension": [{"url": _TRACING, "extension": [{"url": "traceId", "valueId": correlation}]}],
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "subtype": [{"system": _REST, "code": _SUBTYPE[access.action]}],
        "action": "E" if access.id is None else "R",
        "recorded": access.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "outcome": "0",
        "purposeOfEvent": [{"coding": [{"system": _PURPOSE, "code": _REASON[access.purpose]}], "text": access.purpose}],
        "agent": [
            {
                "type": {"coding": [{"system": _DICOM, "code": "110150", "display": "Application"}]},
                "who": {"display": f"starvit-events/{access.handler}"},
                "requestor": True,
            }
        ],
        "source": {"observer": {"display": "starvit-events"}},
        "entity": [entity],
    }
