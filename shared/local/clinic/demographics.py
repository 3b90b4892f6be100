"""Who: Organization, Practitioner, Patient, RelatedPerson."""

from shared.local.clinic import vocabulary as v
from shared.local.clinic.datatypes import FHIR, OWN, US_CORE, Json, Link, coding, narrative, reference, status
from shared.local.clinic.people import Home, Person
from shared.local.clinic.prose import phone
from shared.local.clinic.site import Draft, Site

_SSN = "http://hl7.org/fhir/sid/us-ssn"
_NPI = "http://hl7.org/fhir/sid/us-npi"


def organization(site: Site) -> Draft:
    """The clinic itself."""
    head = site.people.person("Practitioner")
    content = {
        "active": True,
        "type": [status("organization-type", "prov")],
        "name": site.organization,
        "telecom": [{"system": "phone", "value": phone(head.phone), "use": "work"}],
        "address": [address(head.home) | {"use": "work"}],  # an organisation has no home (org-2)
        "contact": [{"name": {"text": head.full}, "telecom": [{"system": "email", "value": head.email}]}],
    }
    return site.draft("Organization", content)


def practitioner(site: Site) -> Draft:
    """Someone of the staff, who can be named from now on."""
    person = site.people.person("Practitioner")
    content = {
        "identifier": [{"system": _NPI, "value": person.number}],
        "active": True,
        "name": [{"family": person.family, "given": list(person.given), "prefix": ["Dr."], "suffix": ["MD"]}],
        "telecom": telecom(person),
        "address": [address(person.home)],
        "gender": person.gender,
        "qualification": [{"code": _v2("0360", "MD"), "issuer": {"display": site.organization}}],
    }
    draft = site.draft("Practitioner", content)
    site.staff.append((person, draft.link))
    return draft


def patient(site: Site, person: Person) -> Draft:
    """A patient as US Core has it, with what else systems add."""
    pick = site.random.choice
    other = site.people.person("Patient.contact", home=person.home)
    extensions = [
        _us_core("race", pick(v.RACES)),
        _us_core("ethnicity", pick(v.ETHNICITIES)),
        {"url": f"{FHIR}patient-mothersMaidenName", "valueString": other.family},
        {"url": f"{FHIR}patient-birthPlace", "valueAddress": {"city": person.home.city, "state": person.home.state}},
        {"url": f"{OWN}who-to-call-first", "valueString": f"{other.full}, {phone(other.mobile)}"},
    ]
    birth_time = f"{person.birth.isoformat()}T0{site.random.randrange(1, 10)}:{site.random.randrange(10, 60)}:00-05:00"
    content = {
        "meta": {"profile": [f"{US_CORE}patient"]},
        "extension": extensions,
        "identifier": [
            {"use": "usual", "type": _v2("0203", "MR"), "system": f"{OWN}mrn", "value": person.number},
            {"system": _SSN, "value": f"{person.ssn[:3]}-{person.ssn[3:5]}-{person.ssn[5:]}"},
        ],
        "active": True,
        "gender": person.gender,
        "birthDate": person.birth.isoformat(),
        "_birthDate": {"extension": [{"url": f"{FHIR}patient-birthTime", "valueDateTime": birth_time}]}
        if site.chance(0.2)
        else None,
        "maritalStatus": {"coding": [{"system": v.V3 + "MaritalStatus", "code": pick(("M", "S", "W", "D"))}]},
        "contact": [
            {
                "relationship": [_v2("0131", "N")],
                "name": {"family": other.family, "given": list(other.given)},
                "telecom": [{"system": "phone", "value": phone(other.mobile), "use": "mobile"}],
                "address": address(other.home),
            }
        ],
        "communication": [
            {"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "en-US"}]}, "preferred": True}
        ],
        "managingOrganization": reference(site.organization_link, site.organization),
    }
    return site.draft("Patient", content | as_known(person), person)


def as_known(person: Person) -> Json:
    """What of a Patient changes when the person moves or marries."""
    return {
        "text": narrative(f"{person.full}, {person.gender}, born {person.birth.isoformat()}", f"MRN {person.number}"),
        "name": names(person),
        "telecom": telecom(person),
        "address": [address(person.home)],
    }


def relative(site: Site, person: Person, patient: Link) -> Draft:
    """A relative with a record of their own."""
    other = site.people.person("RelatedPerson", home=person.home, family=person.family if site.chance(0.5) else "")
    content = {
        "patient": reference(patient, person.full),
        "relationship": [
            {"coding": [{"system": v.V3 + "RoleCode", "code": site.random.choice(("CHILD", "SPS", "SIB", "PRN"))}]}
        ],
        "name": names(other),
        "telecom": telecom(other),
        "gender": other.gender,
        "birthDate": other.birth.isoformat(),
        "address": [address(other.home)],
    }
    return site.draft("RelatedPerson", content, person)


def names(person: Person) -> list[Json]:
    """The HumanNames of a person, in as many forms as the person has."""
    official: Json = {"use": "official", "family": person.family, "given": list(person.given)}
    if person.own_prefix:
        official["_family"] = {"extension": [{"url": f"{FHIR}humanname-own-prefix", "valueString": person.own_prefix}]}
    found = [official]
    if person.pet_name:
        found.append({"use": "nickname", "text": person.pet_name})
    if person.maiden_name:
        found.append({"use": "maiden", "family": person.maiden_name})
    if person.other_script:
        found.append({"use": "usual", "text": person.other_script})
    return found


def telecom(person: Person) -> list[Json]:
    """Phone, mobile and e-mail; the mobile as digits, as it came from another system."""
    return [
        {"system": "phone", "value": phone(person.phone), "use": "home"},
        {"system": "phone", "value": f"+1{person.mobile}", "use": "mobile"},
        {"system": "email", "value": person.email},
    ]


def address(home: Home) -> Json:
    """An Address, in parts and as text."""
    return {
        "use": "home",
        "text": f"{home.line}, {home.city}, {home.state} {home.zip}",
        "line": [home.line],
        "city": home.city,
        "state": home.state,
        "postalCode": home.zip,
        "country": "US",
    }


def _us_core(name: str, code: v.Code) -> Json:
    parts = [{"url": "ombCategory", "valueCoding": coding(v.RACE, code)}, {"url": "text", "valueString": code.display}]
    return {"url": US_CORE + name, "extension": parts}


def _v2(table: str, code: str) -> Json:
    """A CodeableConcept from a table of HL7 version 2."""
    return {"coding": [{"system": v.V2 + table, "code": code}]}
