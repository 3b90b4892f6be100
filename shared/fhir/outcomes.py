"""What validation found, as a record in Medplum, beside the resource: a Task for somebody to do, or an AuditEvent to look up.

Either carries the OperationOutcome, contained: severity, type, rule and FHIRPath, never a value. It names the version, so it
may stand only where PHI rests. Left out: for whom the Task is; who works on it says so there.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from shared.events.data import Changed
from shared.events.envelope import Event
from shared.fhir.port import Resource
from shared.fhir.validation.issue import Issue
from shared.fhir.validation.outcome import operation_outcome, refused

type Form = Literal["task", "audit-event"]

_CONTAINED = {"reference": "#outcome"}
_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_KIND = {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "2"}


def record(form: Form, event: Event[Changed], issues: Sequence[Issue]) -> Resource:
    """The Task or the AuditEvent, without id and tag (the writer sets the tag that makes it unique)."""
    version = event.data
    named = {"reference": f"{version.type}/{version.id}/_history/{version.version}"}
    outcome = operation_outcome(issues) | {"id": "outcome"}
    made = _task if form == "task" else _audit
    return {**made(named, event.time, set_aside=refused(issues)), "contained": [outcome]}


def _task(named: dict[str, str], at: datetime, *, set_aside: bool) -> dict[str, object]:
    return {
        "resourceType": "Task",
        "status": "requested",
        "intent": "proposal",
        "priority": "urgent" if set_aside else "routine",
        "code": {"coding": [{"system": "urn:starvit:task", "code": "review-validation"}]},
        "description": "Set aside: it is in no analysis." if set_aside else "Passed, with warnings.",
        "focus": named,
        "authoredOn": at.isoformat(timespec="milliseconds"),
        "reasonReference": _CONTAINED,
    }


def _audit(named: dict[str, str], at: datetime, *, set_aside: bool) -> dict[str, object]:
    return {
        "resourceType": "AuditEvent",
        "type": {"system": _DICOM, "code": "110100", "display": "Application Activity"},
        "subtype": [{"system": "urn:starvit:operation", "code": "validate"}],
        "action": "E",
        "recorded": at.isoformat(timespec="milliseconds"),
        "outcome": "8" if set_aside else "4",
        "agent": [{"who": {"display": "starvit-events/validation"}, "requestor": True}],
        "source": {"observer": {"display": "starvit-events"}},
        "entity": [{"what": named, "type": _KIND}, {"what": _CONTAINED, "type": _KIND}],
    }
