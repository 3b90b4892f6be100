"""What clinicians write: the free text in which most identifiers hide, the patient's own and those of others.

The relatives and colleagues who are named here are in no field of the patient's record, as in life: a matcher that
knows only the record misses them.
"""

from datetime import date

from shared.local.clinic.identifiers import Identifiers
from shared.local.clinic.people import Person
from shared.local.clinic.site import Site


def note(site: Site, patient: Person, author: Person, day: date, about: str) -> str:
    """A progress note of about a page."""
    pick = site.random
    relative = site.people.person("RelatedPerson", home=patient.home)
    relation = pick.choice(("daughter", "son", "sister", "brother", "neighbor"))
    home, he, his = patient.home, *(("She", "her") if patient.gender == "female" else ("He", "his"))
    years, called = age(site.identifiers, patient, day), patient.pet_name or patient.given[0]
    lines = [
        f"PROGRESS NOTE    {day:%m/%d/%Y}",
        f"Patient: {patient.family.upper()}, {' '.join(patient.given).upper()}    DOB: {patient.birth:%m/%d/%Y}"
        f"    MRN: {patient.number}",
        "",
        f"{patient.title} {patient.family} is a {years}-year-old {patient.gender} seen for {about.lower()}.",
        pick.choice(
            (
                f"{he} lives at {home.line}, {home.city}, {home.state} {home.zip[:5]}.",
                f"{he} has recently moved to {home.city} ({home.zip}).",
                f"{he} is known to us since {spoken(day)} and prefers to be called {called}.",
            )
        ),
        f"{he} came with {his} {relation} {relative.full}, who can be reached at {phone(patient.phone)}.",
        pick.choice(
            (
                "Vital signs stable. Lungs clear to auscultation, no edema.",
                "Reports fatigue and occasional dizziness, no chest pain.",
                "Tolerates the medication well. No adverse effects.",
            )
        ),
        f"Plan: continue present treatment, recheck in {pick.randint(2, 12)} weeks. "
        + pick.choice(
            (
                f"Results to {patient.email}.",
                f"Referred to Dr. {site.colleague().family} at {site.organization}.",
                f"SSN on file {patient.ssn[:3]}-{patient.ssn[3:5]}-{patient.ssn[5:]} for the disability form.",
            )
        ),
        "",
        f"Electronically signed by {author.full}, MD, {spoken(day)}",
    ]
    return "\n".join(lines)


def remark(site: Site, patient: Person, day: date) -> str:
    """A line of free text, such as a nurse adds to a value. Four in ten name nobody."""
    pick = site.random
    colleague = site.colleague()
    return pick.choice(
        (
            f"Discussed with {patient.title} {patient.family} by phone ({phone(patient.mobile)}).",
            f"Specimen slightly hemolyzed; {patient.given[0]} asked to come again.",
            f"Called Dr. {colleague.family} on {day:%m/%d/%Y}, read back and confirmed.",
            "Taken at rest, left arm, seated.",
            "Fasting since midnight.",
        )
    )


def directions(site: Site) -> str:
    """What stands on the label of a medicine. One in four names the prescriber."""
    pick = site.random
    amount, often = pick.choice(("1 tablet", "2 tablets", "half a tablet")), pick.choice(("daily", "at bedtime"))
    how = f"Take {amount} by mouth {often}."
    if pick.random() < 0.75:
        return how
    colleague = site.colleague()
    return f"{how} Questions: Dr. {colleague.family}, {phone(colleague.phone)}."


def age(identifiers: Identifiers, person: Person, on: date) -> int:
    """How old the person was. Over 89 it is an identifier (45 CFR 164.514(b)(2)(i)(C))."""
    years = person.age(on)
    if years > 89:
        identifiers.add(f"{years}-year-old", "age over 89")
    return years


def phone(digits: str) -> str:
    """(617) 555-0143"""
    return f"({digits[:3]}) {digits[3:6]}-{digits[6:]}"


def spoken(day: date) -> str:
    """March 7, 2021"""
    return f"{day:%B} {day.day}, {day.year}"
