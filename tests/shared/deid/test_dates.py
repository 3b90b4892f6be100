"""Dates and ages: 164.514(b)(2)(i)(C) under Safe Harbor, and moved dates under Expert Determination."""

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.deid import calendar
from tests.shared.deid.doors import POLICIES, door, leaves

LONG = {"resourceType": "Patient", "id": "p1"}


def _effective(moment: object, policy: str = "safe-harbor", subject: str = "Patient/p1") -> object:
    resource = {
        "resourceType": "Observation",
        "id": "o",
        "subject": {"reference": subject},
        "effectiveDateTime": moment,
    }
    return leaves(resource, policy).get("effectiveDateTime")


@pytest.mark.parametrize(
    "moment", ["2024", "2024-02", "2024-02-29", "2024-02-29T23:59:60Z", "2024-02-29T10:00:00.123456+14:00"]
)
def test_safe_harbor_keeps_the_year_only(moment: str) -> None:
    assert _effective(moment) == "2024"


@pytest.mark.parametrize(
    "text",
    [
        "2023-02-29",
        "2024-13-01",
        "24",
        "20240229",
        "2024-2-9",
        "2024-02-29 10:00",
        "about 2024",
        "2024\n",
        "٢٠٢٤",
        "",
        "0000",
        2024,
        None,
    ],
)
@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_no_date_stays_behind(text: object, policy: str) -> None:
    assert _effective(text, policy) is None


def test_a_period_leaves_as_its_years() -> None:
    period = {"start": "2020-05-06T01:02:03Z", "end": "2021-01-01", "_start": {"id": "x"}}
    assert leaves({"resourceType": "Encounter", "period": period})["period"] == {"start": "2020", "end": "2021"}


@pytest.mark.parametrize("policy", POLICIES)
def test_whoever_may_be_90_this_year_has_no_year_of_birth_but_a_mark(policy: str) -> None:
    old = leaves({**LONG, "birthDate": "1936-12-31"}, policy)
    assert old == {"extension": [{"url": "urn:starvit:age-over-89", "valueBoolean": True}]}
    young = leaves({**LONG, "birthDate": "1939-06-15"}, policy)
    assert young.keys() == {"birthDate"}


def test_the_year_of_birth_is_told_up_to_89() -> None:
    assert leaves({**LONG, "birthDate": "1937-01-01"}) == {"birthDate": "1937"}


def test_the_mark_stands_beside_the_other_extensions() -> None:
    sex = {"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex", "valueCode": "F"}
    safe = leaves({**LONG, "birthDate": "1920", "extension": [sex, {"url": "urn:other", "valueString": "x"}]})
    assert safe["extension"] == [sex, {"url": "urn:starvit:age-over-89", "valueBoolean": True}]


@pytest.mark.parametrize("policy", POLICIES)
def test_any_year_of_90_years_ago_tells_an_age_and_stays_behind(policy: str) -> None:
    assert _effective("1936-05-05", policy) is None
    family = leaves({"resourceType": "FamilyMemberHistory", "bornDate": "1899-01-01"}, policy)
    assert family == {}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "age, safe",
    [
        ({"value": 89, "unit": "years"}, {"value": 89}),
        ({"value": 90, "unit": "years"}, None),
        ({"value": 93, "system": "http://unitsofmeasure.org", "code": "a", "unit": "a"}, None),
        ({"value": 1100, "system": "http://unitsofmeasure.org", "code": "mo"}, None),
        ({"value": 34000, "system": "http://unitsofmeasure.org", "code": "d"}, None),
        ({"value": 101}, None),
        ({"value": 500, "system": "http://unitsofmeasure.org", "code": "mo"}, "same"),
    ],
)
def test_ages_over_89_are_one_class(age: dict[str, object], safe: object, policy: str) -> None:
    class_90 = {"value": 90, "comparator": ">=", "system": "http://unitsofmeasure.org", "code": "a"}
    expected = class_90 if safe is None else age if safe == "same" else safe
    assert leaves({"resourceType": "Condition", "onsetAge": age}, policy)["onsetAge"] == expected


def test_an_observed_age_is_an_age_even_as_a_bare_number() -> None:
    code = {"coding": [{"system": "http://loinc.org", "code": "30525-0"}]}
    old = leaves(
        {
            "resourceType": "Observation",
            "code": code,
            "valueInteger": 94,
            "component": [{"code": code, "valueQuantity": {"value": 94}}],
        }
    )
    assert old["valueInteger"] == 90
    assert old["component"] == [
        {
            "code": code,
            "valueQuantity": {"value": 90, "comparator": ">=", "system": "http://unitsofmeasure.org", "code": "a"},
        }
    ]
    born = {"coding": [{"system": "http://loinc.org", "code": "80904-6"}]}
    assert "valueInteger" not in leaves({"resourceType": "Observation", "code": born, "valueInteger": 1931})


def test_a_long_pulse_is_no_age() -> None:
    heart = {"value": 120, "unit": "beats/min", "system": "http://unitsofmeasure.org", "code": "/min"}
    assert leaves({"resourceType": "Observation", "valueQuantity": heart})["valueQuantity"] == {
        "value": 120,
        "system": "http://unitsofmeasure.org",
        "code": "/min",
    }


def test_moved_dates_keep_intervals_across_the_types_of_one_patient() -> None:
    expert = door("expert")
    born = expert.deidentify({"resourceType": "Patient", "id": "p1", "birthDate": "1980-03-01"})["birthDate"]
    seen = expert.deidentify(
        {
            "resourceType": "Encounter",
            "id": "e",
            "period": {"start": "2024-02-28T22:00:00-05:00", "end": "2024-03-01"},
            "subject": {"reference": "https://ehr.example.org/fhir/Patient/p1/_history/3", "display": "x"},
        }
    )["period"]
    paid = expert.deidentify(
        {
            "resourceType": "Coverage",
            "id": "c",
            "beneficiary": {"reference": "Patient/p1"},
            "period": {"start": "2024-01-01"},
        }
    )["period"]
    assert isinstance(seen, dict)
    assert isinstance(paid, dict)
    start, end = datetime.fromisoformat(seen["start"]), date.fromisoformat(seen["end"])
    assert (end - start.date()).days == 2  # 2024 is a leap year
    assert (start.date() - date.fromisoformat(str(born))).days == (date(2024, 2, 28) - date(1980, 3, 1)).days
    assert (start.date() - date.fromisoformat(paid["start"])).days == (date(2024, 2, 28) - date(2024, 1, 1)).days
    assert seen["start"].endswith("T22:00:00-05:00")


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Patient", "id": "p1", "deceasedDateTime": "2024-05-05"},
        {"resourceType": "Coverage", "id": "c", "beneficiary": {"reference": "Patient/p1"}},
        {"resourceType": "ResearchSubject", "id": "r", "individual": {"reference": "Patient/p1"}},
        {"resourceType": "Task", "id": "t", "for": {"reference": "Patient/p1"}},
        {"resourceType": "Account", "id": "a", "subject": [{"reference": "Device/d"}, {"reference": "Patient/p1"}]},
        {
            "resourceType": "Appointment",
            "id": "b",
            "participant": [{"actor": {"reference": "Practitioner/x"}}, {"actor": {"reference": "Patient/p1"}}],
        },
    ],
)
def test_whatever_names_the_patient_is_moved_with_the_patient(resource: dict[str, object]) -> None:
    date_of = {
        "Patient": "deceasedDateTime",
        "Coverage": "period",
        "ResearchSubject": "period",
        "Task": "authoredOn",
        "Account": "servicePeriod",
        "Appointment": "created",
    }[str(resource["resourceType"])]
    given = {"start": "2024-05-05"} if date_of.lower().endswith("period") else "2024-05-05"
    safe = leaves({**resource, date_of: given}, "expert")[date_of]
    moved = _effective("2024-05-05", "expert")
    assert safe == ({"start": moved} if isinstance(given, dict) else moved)


def test_two_patients_are_moved_by_different_days() -> None:
    assert len({_effective("2024-05-05", "expert", f"Patient/{number}") for number in range(50)}) > 30


def test_a_resource_without_a_patient_is_moved_by_its_own_days() -> None:
    made = [
        door("expert").deidentify({"resourceType": "Medication", "id": name, "batch": {}, "code": {}})
        for name in ("a", "b")
    ]
    assert all(set(safe) == {"resourceType", "id"} for safe in made)
    study = {"resourceType": "ResearchStudy", "period": {"start": "2024-01-31", "end": "2024-02-01"}}
    periods = [leaves({**study, "id": name}, "expert")["period"] for name in ("a", "b")]
    assert periods[0] != periods[1]
    assert all(
        isinstance(period, dict) and (date.fromisoformat(period["end"]) - date.fromisoformat(period["start"])).days == 1
        for period in periods
    )


@given(st.dates(date(1, 1, 1), date(9999, 12, 31)), st.integers(-365, 365).filter(bool))
def test_a_moved_date_is_as_precise_as_it_was(day: date, days: int) -> None:
    for text in (f"{day.year:04d}", f"{day.year:04d}-{day.month:02d}", day.isoformat(), f"{day.isoformat()}T01:02:03Z"):
        moved = calendar.moved(text, days)
        if moved is None:
            assert day.year in (1, 9999)
        else:
            assert len(moved) == len(text)


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)), st.integers(0, 4000), st.integers(-365, 365).filter(bool))
def test_the_distance_of_two_moved_days_is_their_distance(day: date, apart: int, days: int) -> None:
    other = date.fromordinal(day.toordinal() + apart)
    first, second = (date.fromisoformat(str(calendar.moved(each.isoformat(), days))) for each in (day, other))
    assert (second - first).days == apart


def test_a_time_of_day_leaves_only_where_its_date_is_moved_too() -> None:
    observation = {"resourceType": "Observation", "valueTime": "12:30:00"}
    assert leaves(observation) == {}
    assert leaves(observation, "expert") == {"valueTime": "12:30:00"}
