"""What was done and found: Encounter, Condition, Procedure, AllergyIntolerance, MedicationRequest, Immunization."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.local.clinic import vocabulary as v
from shared.local.clinic.datatypes import OWN, US_CORE, Json, Link, concept, moment, narrative, reference, status
from shared.local.clinic.people import Person
from shared.local.clinic.prose import directions, remark
from shared.local.clinic.site import Draft, Site

_ACT = v.V3 + "ActCode"


@dataclass(frozen=True, slots=True)
class Visit:
    """A patient at the clinic: who, by whom, when. `encounter` is the record of it."""

    patient: Person
    patient_link: Link
    doctor: Person
    doctor_link: Link
    start: datetime
    encounter: Link

    @property
    def subject(self) -> Json:
        return reference(self.patient_link, self.patient.full)

    @property
    def author(self) -> Json:
        return reference(self.doctor_link, f"Dr. {self.doctor.full}")

    @property
    def within(self) -> Json:
        return reference(self.encounter)


def encounter(site: Site, patient: Draft, start: datetime) -> tuple[Draft, Visit]:
    """A visit, and its record. The type of some carries a code of the house, with a name in it."""
    person = patient.patient
    assert person is not None
    doctor, doctor_link = site.practitioner()
    number = f"VN{site.random.randrange(10**8):08}"
    site.identifiers.add(number, "Encounter.identifier")
    kind = concept(v.SNOMED, site.random.choice(v.VISITS))
    if site.chance(0.1):
        kind["coding"].append({"system": f"{OWN}visit-types", "code": number, "display": f"Follow-up {person.family}"})
    end = start + timedelta(minutes=site.random.randint(10, 55))
    content = {
        "identifier": [{"system": f"{OWN}visits", "value": number}],
        "status": site.random.choice(("in-progress", "arrived")),
        "class": {"system": _ACT, "code": site.random.choice(("AMB", "AMB", "AMB", "EMER", "IMP"))},
        "type": [kind],
        "text": narrative(f"Visit of {person.full} to Dr. {doctor.full} on {start.date().isoformat()}")
        if site.chance(0.3)
        else None,
        "subject": {
            **reference(patient.link, person.full),
            "identifier": {"system": f"{OWN}mrn", "value": person.number},
        },
        "participant": [{"individual": reference(doctor_link, f"Dr. {doctor.full}")}],
        "period": {"start": moment(start), "end": moment(end)},
        "serviceProvider": reference(site.organization_link, site.organization),
    }
    draft = site.draft("Encounter", content, person)
    return draft, Visit(person, patient.link, doctor, doctor_link, start, draft.link)


def condition(site: Site, visit: Visit) -> Draft:
    """A diagnosis in SNOMED CT and ICD-10-CM. The text of some says more than the codes."""
    problem = site.random.choice(v.PROBLEMS)
    by_whom = f"{problem.display} (per Dr. {site.colleague().family})" if site.chance(0.1) else problem.display
    content = {
        "clinicalStatus": status("condition-clinical", "active"),
        "verificationStatus": status("condition-ver-status", "confirmed"),
        "category": [status("condition-category", "encounter-diagnosis")],
        "code": {
            "coding": [
                {"system": v.SNOMED, "code": problem.snomed, "display": problem.display},
                {"system": v.ICD10, "code": problem.icd10},
            ],
            "text": by_whom,
        },
        "subject": visit.subject,
        "encounter": visit.within,
        "onsetDateTime": visit.start.date().isoformat(),
        "recordedDate": moment(visit.start),
        "recorder": visit.author,
        "note": [_annotation(site, visit)] if site.chance(0.3) else None,
    }
    return site.draft("Condition", content, visit.patient)


def procedure(site: Site, visit: Visit) -> Draft:
    """A procedure, done by someone who is only contained in it."""
    surgeon = site.people.person("Practitioner")
    content = {
        "contained": [{"resourceType": "Practitioner", "id": "surgeon", "name": [{"text": f"Dr. {surgeon.full}"}]}],
        "status": "completed",
        "code": concept(v.SNOMED, site.random.choice(v.PROCEDURES)),
        "subject": visit.subject,
        "encounter": visit.within,
        "performedPeriod": {"start": moment(visit.start), "end": moment(visit.start + timedelta(minutes=40))},
        "performer": [{"actor": {"reference": "#surgeon", "display": surgeon.full}}],
    }
    return site.draft("Procedure", content, visit.patient)


def allergy(site: Site, visit: Visit) -> Draft:
    """An allergy, with how it showed."""
    content = {
        "clinicalStatus": status("allergyintolerance-clinical", "active"),
        "verificationStatus": status("allergyintolerance-verification", "confirmed"),
        "criticality": "low",
        "code": concept(v.SNOMED, site.random.choice(v.ALLERGENS)),
        "patient": visit.subject,
        "encounter": visit.within,
        "recordedDate": moment(visit.start),
        "recorder": visit.author,
        "reaction": [{"manifestation": [concept(v.SNOMED, site.random.choice(v.REACTIONS))], "severity": "moderate"}],
    }
    return site.draft("AllergyIntolerance", content, visit.patient)


def medication(site: Site, visit: Visit) -> Draft:
    """A prescription."""
    content = {
        "meta": {"profile": [f"{US_CORE}medicationrequest"]},
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": concept(v.RXNORM, site.random.choice(v.MEDICINES)),
        "subject": visit.subject,
        "encounter": visit.within,
        "authoredOn": moment(visit.start),
        "requester": visit.author,
        "dosageInstruction": [
            {"text": directions(site), "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}
        ],
    }
    return site.draft("MedicationRequest", content, visit.patient)


def immunization(site: Site, visit: Visit) -> Draft:
    """A vaccination, with the lot."""
    lot = f"LT{site.random.randrange(10**6):06}K"
    site.identifiers.add(lot, "Immunization.lotNumber")
    expires = site.later(visit.start, (200, 700), "Immunization.expirationDate").date()
    content = {
        "status": "completed",
        "vaccineCode": concept(v.CVX, site.random.choice(v.VACCINES)),
        "patient": visit.subject,
        "encounter": visit.within,
        "occurrenceDateTime": moment(visit.start),
        "primarySource": True,
        "lotNumber": lot,
        "expirationDate": expires.isoformat(),
        "performer": [{"actor": visit.author}],
    }
    return site.draft("Immunization", content, visit.patient)


def _annotation(site: Site, visit: Visit) -> Json:
    return {
        "authorString": f"{visit.doctor.full}, MD",
        "time": moment(visit.start),
        "text": remark(site, visit.patient, visit.start.date()),
    }
