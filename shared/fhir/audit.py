"""The AuditEvent of an access, or of what an operator did: FHIR R4, with the codes of DICOM and IHE BALP (Basic Audit Log
Patterns).

The correlation id is Medplum's x-trace-id, so that a record of ours joins with those that Medplum writes itself
(extension `tracing`). No display, no name, no value: the references say enough.
"""

from base64 import b64encode
from datetime import UTC, datetime

from shared.events.data import Accessed, Act, ErasureOrdered, OperationAudited
from shared.fhir.port import Resource

_TRACING = "https://medplum.com/fhir/StructureDefinition/tracing"
_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_REST = "http://hl7.org/fhir/restful-interaction"
_PURPOSE = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_SUBTYPE = {"read": "read", "vread": "vread", "history": "history-instance", "search": "search-type"}
_REASON = dict.fromkeys(("validation", "de-identification", "reconciliation"), "HOPERAT")  # healthcare operations

_SOURCE = {"observer": {"display": "starvit-events"}}


def audit_event(access: Accessed | Act, *, correlation: str) -> Resource:
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
        "extension": _tracing(correlation),
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "subtype": [{"system": _REST, "code": _SUBTYPE[access.action]}],
        "action": "E" if access.id is None else "R",
        "recorded": _instant(access.at),
        "outcome": "0",
        "purposeOfEvent": [{"coding": [{"system": _PURPOSE, "code": _REASON[access.purpose]}], "text": access.purpose}],
        "agent": [
            {
                "type": {"coding": [{"system": _DICOM, "code": "110150", "display": "Application"}]},
                "who": {"display": f"starvit-events/{access.handler}"},
                "requestor": True,
            }
        ],
        "source": _SOURCE,
        "entity": [entity],
    }


def operation_event(operation: OperationAudited, *, correlation: str) -> Resource:
    """The AuditEvent of an operator's action on dead letters: who, why, how many; the plan by its hash, no event by any name."""
    details = {"reason": operation.reason, "messages": str(operation.messages), "stage": operation.stage}
    return {
        "resourceType": "AuditEvent",
        "extension": _tracing(correlation),
        "type": {"system": _DICOM, "code": "110100", "display": "Application Activity"},
        "subtype": [{"system": "urn:starvit:operation", "code": operation.action}],
        "action": "E",
        "recorded": _instant(operation.at),
        "outcome": "4" if operation.outcome == "stopped" else "0",
        "purposeOfEvent": [{"coding": [{"system": _PURPOSE, "code": "HOPERAT"}], "text": "dead letters"}],
        "agent": [
            {
                "type": {"coding": [{"system": _DICOM, "code": "110151", "display": "Application Launcher"}]},
                "altId": operation.by,
                "requestor": True,
            }
        ],
        "source": _SOURCE,
        "entity": [
            {
                "what": {"identifier": {"system": "urn:starvit:plan", "value": operation.plan}},
                "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "2"},
                "detail": [{"type": name, "valueString": value} for name, value in details.items() if value],
            }
        ],
    }


def erasure_event(order: ErasureOrdered, *, correlation: str) -> Resource:
    """The AuditEvent of an order to erase a patient: the only record that joins the order with him, and it rests in Medplum."""
    kind = {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type"}
    return {
        "resourceType": "AuditEvent",
        "extension": _tracing(correlation),
        "type": {"system": _DICOM, "code": "110100", "display": "Application Activity"},
        "subtype": [{"system": "urn:starvit:operation", "code": "erase"}],
        "action": "D",
        "recorded": _instant(order.at),
        "outcome": "0",
        "purposeOfEvent": [{"coding": [{"system": _PURPOSE, "code": "HOPERAT"}], "text": "erasure beyond the door"}],
        "agent": [
            {
                "type": {"coding": [{"system": _DICOM, "code": "110151", "display": "Application Launcher"}]},
                "altId": order.by,
                "requestor": True,
            }
        ],
        "source": _SOURCE,
        "entity": [
            {"what": {"reference": f"Patient/{order.patient}"}, "type": kind | {"code": "1"}},
            {
                "what": {"identifier": {"system": "urn:starvit:plan", "value": order.order}},
                "type": kind | {"code": "2"},
                "detail": [{"type": "reason", "valueString": order.reason}],
            },
        ],
    }


def _tracing(correlation: str) -> list[dict[str, object]]:
    return [{"url": _TRACING, "extension": [{"url": "traceId", "valueId": correlation}]}]


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
