"""The AuditEvents that the service writes: FHIR R4, and IHE BALP (Basic Audit Log Patterns 1.1) where a profile fits.

    read, vread  ─► PatientRead | Read          data flows from Medplum (Source) to us (Destination)
    history      ─► as Read, but R4 calls it history-instance, for which BALP has no profile
    search       ─► Query                       BALP: the query flows from us (Source) to Medplum (Destination)
    disclose     ─► PrivacyDisclosure.Source    a row leaves for a dataset; without the profile if it is nobody's
    delete       ─► a record's end is told to a dataset (BALP's Delete is of a server that deletes, which we do not)
    an operator  ─► an application's activity, by a person

The correlation id is Medplum's x-trace-id, so that a record of ours joins with those that Medplum writes itself
(extension `tracing`). No display of a person, no name, no value: the references say enough.
"""

from base64 import b64encode
from datetime import UTC, datetime

from msgspec import Struct

from shared.events.data import Accessed, Act, Disclosure, ErasureOrdered, Operation
from shared.fhir.port import Resource

BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
_TRACING = "https://medplum.com/fhir/StructureDefinition/tracing"
_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_REST = "http://hl7.org/fhir/restful-interaction"
_LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
_PURPOSE = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_SUBTYPE = {"read": "read", "vread": "vread", "history": "history-instance", "search": "search-type"}
_REASON = "HOPERAT"  # healthcare operations

_FROM: dict[str, object] = {"coding": [{"system": _DICOM, "code": "110153", "display": "Source Role ID"}]}
_TO: dict[str, object] = {"coding": [{"system": _DICOM, "code": "110152", "display": "Destination Role ID"}]}


class Site(Struct, frozen=True):
    """Who speaks with whom: the URLs of this service, of Medplum and of the warehouse."""

    service: str
    medplum: str
    warehouse: str


def audit_event(act: Act | Accessed, site: Site, *, correlation: str) -> Resource:
    """The AuditEvent of an act, without id and tag (the writer sets the tag that makes it unique)."""
    disclosure = act.disclosure if isinstance(act, Act) else None
    if disclosure is not None:
        return _disclosed(act, disclosure, site, correlation)
    return _accessed(act, site, correlation)


def _accessed(act: Act | Accessed, site: Site, correlation: str) -> Resource:
    ours: dict[str, object] = _who(act.handler)
    medplum: dict[str, object] = {"display": "Medplum"}
    searches = act.id is None
    patient = _patient(act)
    profile = {"read": "Read", "vread": "Read", "search": "Query"}.get(act.action)
    if profile == "Read" and patient:
        profile = "PatientRead"
    return {
        **_head(profile, correlation),
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "subtype": [{"system": _REST, "code": _SUBTYPE[act.action]}],
        "action": "E" if searches else "R",
        **_said(act),
        "agent": [
            _agent(_FROM if searches else _TO, ours, site.service, requestor=True),
            _agent(_TO if searches else _FROM, medplum, site.medplum),
        ],
        "source": {"observer": ours},
        "entity": [*patient, _query(act.type) if searches else _data(act)],
    }


def _disclosed(act: Act | Accessed, disclosure: Disclosure, site: Site, correlation: str) -> Resource:
    """A row, or the end of one, on its way to a dataset: whose, of which version, under which policy and which key's name."""
    ours, deleted = _who(act.handler), act.action == "delete"
    patient = _patient(act)
    dataset: dict[str, object] = {
        "identifier": {"system": "urn:starvit:dataset", "value": f"{disclosure.tenant}/{disclosure.key_id}"}
    }
    policy = {
        "what": {"identifier": {"system": f"urn:starvit:policy:{disclosure.policy}", "value": disclosure.policy_hash}},
        "type": {"system": _ENTITY, "code": "2"},
        "role": {"system": _ROLE, "code": "13"},  # security resource
    }
    kind = (
        {"system": _LIFECYCLE, "code": "destroy"}
        if deleted
        else {"system": _DICOM, "code": "110106", "display": "Export"}
    )
    return {
        **_head(None if deleted or not patient else "PrivacyDisclosure.Source", correlation),
        "type": kind,
        "subtype": [
            {"system": _LIFECYCLE, "code": code} for code in (("destroy",) if deleted else ("disclose", "deidentify"))
        ],
        "action": "D" if deleted else "R",
        **_said(act),
        "agent": [
            {
                **_agent(_FROM, ours, site.service, requestor=True),
                "policy": [f"urn:starvit:policy:{disclosure.policy}"],
            },
            _agent(_TO, dataset, site.warehouse),
        ],
        "source": {"observer": ours},
        "entity": [*patient, _data(act), policy],
    }


def operation_event(operation: Operation, *, correlation: str) -> Resource:
    """The AuditEvent of an operator's action on dead letters: who, why, how many; the plan by its hash, no event by any name.

    An export only reads, so its code is `R`.
    """
    details = {"reason": operation.reason, "messages": str(operation.messages), "stage": operation.stage}
    plan = _plan(operation.plan, details)
    outcome = "4" if operation.outcome == "stopped" else "0"
    kind = "R" if operation.action == "export" else "E"
    return _operated(operation.action, kind, operation, correlation, "dead letters", [plan], outcome)


def erasure_event(order: ErasureOrdered, *, correlation: str) -> Resource:
    """The AuditEvent of an order to erase a patient: the only record that joins the order with him, and it rests in Medplum."""
    entities = [_person(order.patient), _plan(order.order, {"reason": order.reason})]
    return _operated("erase", "D", order, correlation, "erasure beyond the door", entities)


def _operated(
    action: str,
    kind: str,
    said: Operation | ErasureOrdered,
    correlation: str,
    purpose: str,
    entities: list[dict[str, object]],
    outcome: str = "0",
) -> Resource:
    return {
        **_head(None, correlation),
        "type": {"system": _DICOM, "code": "110100", "display": "Application Activity"},
        "subtype": [{"system": "urn:starvit:operation", "code": action}],
        "action": kind,
        "recorded": instant(said.at),
        "outcome": outcome,
        "purposeOfEvent": [_reason(purpose)],
        "agent": [
            {
                "type": {"coding": [{"system": _DICOM, "code": "110151", "display": "Application Launcher"}]},
                "altId": said.by,
                "requestor": True,
            }
        ],
        "source": {"observer": _who("ops")},
        "entity": entities,
    }


def _head(profile: str | None, correlation: str) -> dict[str, object]:
    meta = {"meta": {"profile": [BALP + profile]}} if profile else {}
    traced = [{"url": _TRACING, "extension": [{"url": "traceId", "valueId": correlation}]}]
    return {"resourceType": "AuditEvent", **meta, "extension": traced}


def _said(act: Act | Accessed) -> dict[str, object]:
    return {"recorded": instant(act.at), "outcome": "0", "purposeOfEvent": [_reason(act.purpose)]}


def _reason(text: str) -> dict[str, object]:
    return {"coding": [{"system": _PURPOSE, "code": _REASON}], "text": text}


def _who(part: str) -> dict[str, object]:
    return {"display": f"starvit-events/{part}"}


def _agent(role: dict[str, object], who: dict[str, object], url: str, *, requestor: bool = False) -> dict[str, object]:
    return {"type": role, "who": who, "requestor": requestor, "network": {"address": url, "type": "5"}}  # 5: a URI


def _patient(act: Act | Accessed) -> list[dict[str, object]]:
    """Whose data it is, if that is known."""
    patient = act.patient if isinstance(act, Act) else None
    return [_person(patient)] if patient else []


def _person(id: str) -> dict[str, object]:
    return {
        "what": {"reference": f"Patient/{id}"},
        "type": {"system": _ENTITY, "code": "1"},
        "role": {"system": _ROLE, "code": "1"},
    }


def _data(act: Act | Accessed) -> dict[str, object]:
    version = f"/_history/{act.version}" if act.version else ""
    return {
        "what": {"reference": f"{act.type}/{act.id}{version}"},
        "type": {"system": _ENTITY, "code": "2"},
        "role": {"system": _ROLE, "code": "4"},  # domain resource
    }


def _query(type: str) -> dict[str, object]:
    return {
        "type": {"system": _ENTITY, "code": "2"},
        "role": {"system": _ROLE, "code": "24"},  # query
        "query": b64encode(type.encode()).decode(),
    }


def _plan(name: str, details: dict[str, str]) -> dict[str, object]:
    return {
        "what": {"identifier": {"system": "urn:starvit:plan", "value": name}},
        "type": {"system": _ENTITY, "code": "2"},
        "role": {"system": _ROLE, "code": "20"},  # job
        "detail": [{"type": name, "valueString": value} for name, value in details.items() if value],
    }


def instant(at: datetime) -> str:
    """A FHIR instant, to the millisecond, in UTC."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
