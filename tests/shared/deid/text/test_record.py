"""What the record holds is found in every form that notes give it, and its ordinary words stay words."""

import pytest

from shared.deid.text.local import Local

LOCAL = Local()
PATIENT: dict[str, object] = {
    "resourceType": "Patient",
    "identifier": [{"value": "HX-0048-213"}, {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "923-09-1184"}],
    "name": [{"family": "O'Halloran-Voß", "given": ["William", "José"]}, {"use": "nickname", "given": ["Buzz"]}],
    "birthDate": "1931-04-09",
    "telecom": [{"system": "phone", "value": "(617) 555-0148"}, {"system": "email", "value": "w.oh@example.com"}],
    "address": [{"line": ["2218 Tremont Street", "Apt 5B"], "city": "Brockton", "postalCode": "02301"}],
    "contact": [{"name": {"given": ["Grace"], "family": "Hale"}, "telecom": [{"value": "617-555-0149"}]}],
    "generalPractitioner": [{"display": "Dr. Meera Nayar, MD"}],
    "managingOrganization": {"display": "Kestrel Harbor Hospital"},
}


def _scrub(text: str) -> str:
    return LOCAL.scrub(text, LOCAL.record(PATIENT))


@pytest.mark.parametrize(
    "form",
    [
        "William", "WILLIAM", "william", "Bill", "Billy", "Buzz", "Jose", "JOSÉ", "Wiliam", "Williams", "Willaim",
        "O'Halloran", "OHalloran",
        "o'halloran", "O’Halloran", "Voss", "Voß", "O'HALLORAN-VOSS, WILLIAM", "William José O'Halloran-Voß",
        "William\nO'Halloran", "W.O.", "W. O.",
        "Meera Nayar", "Nayar",
        "HX-0048-213", "HX0048213", "0048 213", "hx 0048213", "923-09-1184", "923 09 1184", "923091184",
        "617-555-0148", "617.555.0148", "(617) 555 0148", "6175550148", "555-0148", "617/555/0149",
        "w.oh@example.com", "W.OH@EXAMPLE.COM",
        "2218 Tremont Street", "2218 tremont st", "2218 TREMONT", "2218 Tremont St., Apt 5B", "Brockton", "BROCKTON",
        "brockton", "02301",
        "Kestrel Harbor Hospital", "kestrel harbor", "KESTREL HARBOR",
        "April 9, 1931", "9 April 1931", "04/09/1931", "4/9/31", "09.04.1931", "1931-04-09", "04091931", "9-Apr-31",
        "april ninth nineteen thirty one",
    ],
)  # fmt: skip
def test_a_form_of_what_the_record_holds_is_masked(form: str) -> None:
    for text in (f"spoke with {form} about the plan", f"{form}", f"Seen today: {form}. Stable."):
        left = _scrub(text)
        for part in form.replace("-", " ").replace(".", " ").replace("/", " ").split():
            if len(part) > 3:
                assert part not in left, left


@pytest.mark.parametrize(
    "text",
    [
        "hale and hearty, walks with grace",
        "Bill for the visit was sent",
        "will return in a week",
        "May resume diet",
        "The tremor is gone, the buzz in the ear too",
    ],
)
def test_a_name_that_is_a_word_stays_where_it_is_one(text: str) -> None:
    words = text.split()
    kept = _scrub(text).split()
    assert len(set(words) & set(kept)) >= len(words) - 1
    assert {"hale", "grace", "visit", "return", "resume", "buzz"} & set(words) <= set(kept)


def test_a_name_that_is_a_word_goes_where_it_is_a_name() -> None:
    assert (
        _scrub("Mrs. Hale called. Grace asked that grace be said.")
        == "Mrs. [NAME] called. [NAME] asked that grace be said."
    )


def test_an_age_over_89_is_one_class_and_others_stay() -> None:
    assert _scrub("He is 93 and walks. 88 years old last spring, HR 93, SpO2 94%.").startswith(
        "He is [AGE_OVER_89] and walks. 88 years old"
    )
    assert "HR 93, SpO2 94%" in _scrub("He is 93 and walks. HR 93, SpO2 94%.")


def test_the_last_four_of_a_number_are_told_by_what_stands_before() -> None:
    assert "1184" not in _scrub("verified last four of SSN 1184")
    assert "0148" not in _scrub("cell ending in 0148")
    assert "1184" in _scrub("platelets 1184")


WRONG: tuple[object, ...] = (None, [], "x", 7, {"given": "x", "family": ["y"]}, [{"value": 1, "line": {}, "city": 3}])
PARTS = (
    "name",
    "address",
    "identifier",
    "telecom",
    "contact",
    "birthDate",
    "generalPractitioner",
    "managingOrganization",
)


@pytest.mark.parametrize("junk", WRONG)
def test_a_record_of_the_wrong_shape_breaks_nothing(junk: object) -> None:
    assert LOCAL.scrub("all well", LOCAL.record(dict.fromkeys(PARTS, junk))) == "all well"
