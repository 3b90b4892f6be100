"""FHIR's data types as JSON, as far as the clinic writes them, and a reference whose id is not known yet."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.local.clinic import vocabulary as v

type Json = dict[str, Any]

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
FHIR = "http://hl7.org/fhir/StructureDefinition/"
OWN = "https://clinic.example/fhir/"  # what no policy has ever heard of


@dataclass(frozen=True, slots=True)
class Link:
    """Stands for `Type/id` in a reference to a resource of the clinic's, until Medplum has given it an id."""

    handle: int
    type: str


def reference(link: Link, display: str = "") -> Json:
    """A reference, with the name that so many systems put there."""
    return {"reference": link, "display": display} if display else {"reference": link}


def coding(system: str, code: v.Code | v.Measure) -> Json:
    """A Coding with its display."""
    return {"system": system, "code": code.code, "display": code.display}


def concept(system: str, code: v.Code | v.Measure, text: str = "") -> Json:
    """A CodeableConcept of one Coding."""
    return {"coding": [coding(system, code)], "text": text or code.display}


def status(system: str, code: str) -> Json:
    """A CodeableConcept of one of HL7's own codes, without a display."""
    return {"coding": [{"system": v.HL7 + system, "code": code}]}


def quantity(measure: v.Measure, value: float) -> Json:
    """A Quantity in the measure's UCUM unit."""
    number = round(value, measure.digits) if measure.digits else round(value)
    return {"value": number, "unit": measure.unit, "system": v.UCUM, "code": measure.unit}


def moment(when: datetime) -> str:
    """A dateTime to the second, with its zone."""
    return when.isoformat(timespec="seconds")


def narrative(*paragraphs: str) -> Json:
    """A Narrative as systems generate it: everything that the resource says, once more, as XHTML."""
    body = "".join(f"<p>{text}</p>" for text in paragraphs)
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{body}</div>'}
