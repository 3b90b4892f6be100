"""How a record changes: the next state of a resource, always different from the one before.

What changes is what changes in life: a patient moves or marries, a value is corrected, a visit ends, a note is written
anew. So an update brings identifiers that no earlier version had.
"""

import copy
from datetime import date, datetime

from shared.local.clinic import measurements
from shared.local.clinic import vocabulary as v
from shared.local.clinic.datatypes import Json, moment, quantity, reference, status
from shared.local.clinic.demographics import as_known, telecom
from shared.local.clinic.documents import attachment
from shared.local.clinic.people import Person
from shared.local.clinic.prose import directions, phone, remark
from shared.local.clinic.site import Draft, Site

_MEASURES = {measure.code: measure for measure in (*v.VITALS, *v.LABS, v.SYSTOLIC, v.DIASTOLIC)}


def changed(site: Site, draft: Draft) -> Draft:
    """The resource's next state. Medplum makes no new version of one that is the same."""
    while (found := _next(site, draft)).body == draft.body:
        pass
    return found


def _next(site: Site, draft: Draft) -> Draft:
    body, person = copy.deepcopy(draft.body), draft.patient
    match draft.type, person:
        case "Patient", Person():
            person = (
                site.people.moved(person, "Patient") if site.chance(0.7) else site.people.renamed(person, "Patient")
            )
            body |= as_known(person)
        case "Organization", _:
            head = site.people.person("Organization")
            body["telecom"] = [{"system": "phone", "value": phone(head.phone), "use": "work"}]
        case "Practitioner" | "RelatedPerson" as role, _:
            body["telecom"] = telecom(site.people.person(role))[: len(body["telecom"])]
        case "Observation", Person():
            _corrected(site, body, person)
        case "DiagnosticReport", Person():
            body |= {"status": "amended", "conclusion": remark(site, person, _day(body))}
        case "Encounter", _:
            _passed_on(site, body)
        case "DocumentReference", Person():
            author, link = site.practitioner()
            text = attachment(site, person, author, _day(body), "an addendum")
            body |= {
                "docStatus": "amended",
                "author": [reference(link, f"Dr. {author.full}")],
                "content": [{"attachment": text}],
            }
        case "MedicationRequest", _:
            dosage = body["dosageInstruction"][0]
            dosage["timing"]["repeat"]["frequency"] += 1
            dosage["text"] = directions(site)
        case _, Person():
            _noted(site, body, person)
    return Draft(draft.handle, body, person)


def _corrected(site: Site, body: Json, person: Person) -> None:
    """A value that was wrong, in all the kinds that a value has."""
    body["status"] = "corrected"
    for part in (body, *body.get("component", ())):
        if "valueQuantity" in part:
            measure = _MEASURES[part["code"]["coding"][0]["code"]]
            part["valueQuantity"] = quantity(measure, measurements.value(site, measure))
    if "valueString" in body:
        body["valueString"] = remark(site, person, _day(body))
    else:
        _noted(site, body, person)


def _passed_on(site: Site, body: Json) -> None:
    """The patient goes on to someone else, and the visit ends later than it was to."""
    author, link = site.practitioner()
    end = site.later(datetime.fromisoformat(body["period"]["end"]), (0, 2))
    body["status"] = "finished"
    body["participant"] = [*body["participant"][-2:], {"individual": reference(link, f"Dr. {author.full}")}]
    body["hospitalization"] = {
        "dischargeDisposition": status("discharge-disposition", site.random.choice(("home", "alt-home")))
    }
    body["period"]["end"] = moment(end)


def _noted(site: Site, body: Json, person: Person) -> None:
    """Another remark on the record; the last few are kept."""
    body["note"] = [*body.get("note", ())[-2:], {"text": remark(site, person, _day(body))}]


def _day(body: Json) -> date:
    """The day that the record is about."""
    match body:
        case (
            {"effectiveDateTime": str() as when}
            | {"occurrenceDateTime": str() as when}
            | {"performedPeriod": {"start": str() as when}}
            | {"recordedDate": str() as when}
            | {"date": str() as when}
        ):
            return datetime.fromisoformat(when).date()
    raise ValueError("a record without a day")
