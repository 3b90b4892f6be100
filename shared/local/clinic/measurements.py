"""What was measured and reported: Observation in all its kinds of value, and DiagnosticReport."""

from collections.abc import Sequence

from shared.local.clinic import vocabulary as v
from shared.local.clinic.care import Visit
from shared.local.clinic.datatypes import OWN, US_CORE, Json, Link, concept, moment, quantity, reference, status
from shared.local.clinic.prose import remark
from shared.local.clinic.site import Draft, Site, some


def vital_signs(site: Site, visit: Visit) -> list[Draft]:
    """Blood pressure with its two components, and some of the others."""
    pressure = [
        {"code": concept(v.LOINC, measure), "valueQuantity": quantity(measure, value(site, measure))}
        for measure in (v.SYSTOLIC, v.DIASTOLIC)
    ]
    content = {"meta": {"profile": [f"{US_CORE}blood-pressure"]}, "component": pressure}
    found = [_observation(site, visit, "vital-signs", v.PRESSURE, content)]
    for measure in some(site.random, v.VITALS, 1, 3):
        found.append(
            _observation(
                site, visit, "vital-signs", measure, {"valueQuantity": quantity(measure, value(site, measure))}
            )
        )
    return found


def laboratory(site: Site, visit: Visit) -> list[Draft]:
    """Some values of the laboratory, now and then with a remark."""
    found = []
    for measure in some(site.random, v.LABS, 2, 4):
        content: Json = {
            "valueQuantity": quantity(measure, value(site, measure)),
            "referenceRange": [{"low": quantity(measure, measure.low), "high": quantity(measure, measure.high)}],
        }
        if site.chance(0.15):
            content["note"] = [{"text": remark(site, visit.patient, visit.start.date())}]
        found.append(_observation(site, visit, "laboratory", measure, content))
    return found


def answers(site: Site, visit: Visit) -> list[Draft]:
    """Values that are codes, and one that is plain text."""
    pick = site.random.choice
    smokes = {"valueCodeableConcept": concept(v.SNOMED, pick(v.SMOKING_ANSWERS))}
    group = {"valueCodeableConcept": concept(v.SNOMED, pick(v.BLOOD_GROUP_ANSWERS))}
    said = {"valueString": remark(site, visit.patient, visit.start.date())}
    return [
        _observation(site, visit, "social-history", v.SMOKING, smokes),
        _observation(site, visit, "laboratory", v.BLOOD_GROUP, group),
        _observation(site, visit, "exam", v.REMARK, said),
    ][: site.random.choice((1, 3, 3))]


def report(site: Site, visit: Visit, results: Sequence[Link]) -> Draft:
    """The laboratory's report on its values."""
    number = f"AC{site.random.randrange(10**8):08}"
    site.identifiers.add(number, "DiagnosticReport.identifier")
    content = {
        "identifier": [{"system": f"{OWN}accessions", "value": number}],
        "status": "final",
        "category": [{"coding": [{"system": v.V2 + "0074", "code": "LAB"}]}],
        "code": concept(v.LOINC, site.random.choice(v.REPORTS)),
        "subject": visit.subject,
        "encounter": visit.within,
        "effectiveDateTime": moment(visit.start),
        "issued": moment(visit.start),
        "performer": [reference(site.organization_link, site.organization)],
        "result": [reference(link) for link in results],
        "conclusion": remark(site, visit.patient, visit.start.date()),
    }
    return site.draft("DiagnosticReport", content, visit.patient)


def value(site: Site, measure: v.Measure) -> float:
    """Somewhere in the measure's range."""
    return site.random.uniform(measure.low, measure.high)


def _observation(site: Site, visit: Visit, category: str, code: v.Code | v.Measure, content: Json) -> Draft:
    common = {
        "status": "final",
        "category": [status("observation-category", category)],
        "code": concept(v.LOINC, code),
        "subject": visit.subject,
        "encounter": visit.within,
        "effectiveDateTime": moment(visit.start),
        "issued": moment(visit.start),
        "performer": [visit.author],
    }
    return site.draft("Observation", {**common, **content}, visit.patient)
