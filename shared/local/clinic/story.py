"""A patient's story: in which order the records come to be, each after those that it refers to."""

from collections.abc import Iterator

from shared.local.clinic import care, measurements
from shared.local.clinic import vocabulary as v
from shared.local.clinic.datatypes import Link
from shared.local.clinic.demographics import organization, patient, practitioner, relative
from shared.local.clinic.documents import document
from shared.local.clinic.site import Draft, Site

_STAFF = 4


def opening(site: Site) -> Iterator[Draft]:
    """The clinic opens: itself, then its staff."""
    house = organization(site)
    site.organization_link = house.link
    yield house
    for _ in range(_STAFF):
        yield practitioner(site)


def story(site: Site) -> Iterator[Draft]:
    """A patient, a relative, a few visits. Some are registered in error, and nothing follows."""
    person = patient(site, site.people.person("Patient"))
    yield person
    if site.chance(0.05):
        return
    assert person.patient is not None
    if site.chance(0.4):
        yield relative(site, person.patient, person.link)
    when = site.first_visit()
    for _ in range(site.random.randint(1, 4)):
        encounter, visit = care.encounter(site, person, when)
        yield encounter
        yield from _visit(site, visit)
        when = site.later(when, (20, 300))


def _visit(site: Site, visit: care.Visit) -> Iterator[Draft]:
    found = [care.condition(site, visit) for _ in range(site.random.randint(0, 2))]
    yield from found
    yield from measurements.vital_signs(site, visit)
    if site.chance(0.7):
        results: list[Link] = []
        for observation in measurements.laboratory(site, visit):
            results.append(observation.link)
            yield observation
        yield measurements.report(site, visit, results)
    if site.chance(0.5):
        yield from measurements.answers(site, visit)
    if site.chance(0.7):
        yield care.medication(site, visit)
    if site.chance(0.3):
        yield care.immunization(site, visit)
    if site.chance(0.25):
        yield care.procedure(site, visit)
    if site.chance(0.25):
        yield care.allergy(site, visit)
    about = found[0].body["code"]["coding"][0]["display"] if found else site.random.choice(v.VISITS).display
    yield document(site, visit, str(about))
