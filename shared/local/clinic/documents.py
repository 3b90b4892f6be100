"""DocumentReference: the clinician's note, in base64, under a file name that tells whose it is."""

from base64 import b64encode
from datetime import date

from shared.local.clinic import vocabulary as v
from shared.local.clinic.care import Visit
from shared.local.clinic.datatypes import US_CORE, Json, concept, moment
from shared.local.clinic.names import folded
from shared.local.clinic.people import Person
from shared.local.clinic.prose import note
from shared.local.clinic.site import Draft, Site


def document(site: Site, visit: Visit, about: str) -> Draft:
    """A note on the visit."""
    day = visit.start.date()
    content = {
        "meta": {"profile": [f"{US_CORE}documentreference"]},
        "status": "current",
        "type": concept(v.LOINC, site.random.choice(v.NOTES)),
        "category": [
            {
                "coding": [
                    {
                        "system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
                        "code": "clinical-note",
                    }
                ]
            }
        ],
        "subject": visit.subject,
        "date": moment(visit.start),
        "author": [visit.author],
        "description": f"Note on {visit.patient.full}",
        "content": [{"attachment": attachment(site, visit.patient, visit.doctor, day, about)}],
        "context": {"encounter": [visit.within], "period": {"start": moment(visit.start)}},
    }
    return site.draft("DocumentReference", content, visit.patient)


def attachment(site: Site, patient: Person, author: Person, day: date, about: str) -> Json:
    """The text of a note as an Attachment."""
    text = note(site, patient, author, day, about)
    return {
        "contentType": "text/plain; charset=utf-8",
        "data": b64encode(text.encode()).decode(),
        "title": f"{folded(patient.family).replace(' ', '_')}_{day:%Y%m%d}.txt",
        "creation": day.isoformat(),
    }
