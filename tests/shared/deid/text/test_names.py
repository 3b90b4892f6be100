"""People and places that no record lists are told by their company; eponyms, drugs and headings stay."""

import pytest

from shared.deid.text.local import Local

LOCAL = Local()
NOBODY = LOCAL.record(None)


def _scrub(text: str) -> str:
    return LOCAL.scrub(text, NOBODY)


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("Seen by Dr. Okello.", "Okello"),
        ("nurse jackie gave me the cream", "jackie"),
        ("John Smith was seen in clinic", "John Smith"),
        ("Discussed with Rose Young at length", "Rose Young"),
        ("Signed, Priscilla Umeh, M.D.", "Priscilla Umeh"),
        ("His daughter, Chioma, was present.", "Chioma"),
        ("Harjit Bains MD read the film", "Harjit Bains"),
        ("Assistant: van Niekerk.", "van Niekerk"),
        ("J. Q. Abernathy, RN", "Abernathy"),
        ("Follow up at Red Cedar Family Clinic", "Red Cedar"),
        ("moved here from Yokohama last year", "Yokohama"),
        ("works for Conant Stamping", "Conant"),
        ("teaches at Golden Gate Conservatory", "Golden Gate"),
        ("attends St. Brigid Church", "Brigid"),
        ("Transferred to East St. Louis", "St. Louis"),
        ("- Marlo", "Marlo"),
    ],
)
def test_a_name_or_place_is_masked(text: str, gone: str) -> None:
    left = _scrub(text)
    assert not set(gone.split()) & set(left.replace(",", " ").replace(".", " ").split()), left


@pytest.mark.parametrize(
    "text",
    [
        "Foley removed. Babinski negative, Homans sign absent, Glasgow 15.",
        "Continue Eliquis and Lasix; start Zofran. Crohn disease quiet.",
        "PAST MEDICAL HISTORY: Hypertension, Parkinson disease",
        "Physical Therapy Evaluation",
        "Murphy's sign negative, Kerley B lines, Schmorl nodes",
        "Patient denies Chest Pain. Return to Emergency Department if worse.",
        "Grade II/VI murmur, Tinetti 14/28, Braden 17, Morse 55",
        "Semmes-Weinstein monofilament intact",
        "Will return Monday. English speaking. Lives in Ohio.",
    ],
)
def test_the_language_of_medicine_stays(text: str) -> None:
    assert _scrub(text) == text
