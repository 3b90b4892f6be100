"""Dates, numbers, addresses and high ages go by their form; grades, doses and codes stay."""

from itertools import pairwise

import pytest

from shared.deid.text.local import Local

LOCAL = Local()
NOBODY = LOCAL.record(None)


def _scrub(text: str) -> str:
    return LOCAL.scrub(text, NOBODY)


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-25", "2024-05-25T19:02:11-04:00", "5/25/2024", "25/05/2024", "5-25-24", "25.5.24", "20240525",
        "May 25, 2024", "May 25", "25 May 2024", "25th of May",
        "25-MAY-2024", "May 2024", "2024/05", "on 5/25", "until 12/1", "the 15th of august", "may second",
        "april fourteenth nineteen ninety", "Sept 1968", "in October",
    ],
)  # fmt: skip
def test_a_date_is_masked_in_each_of_its_forms(text: str) -> None:
    assert "[DATE]" in _scrub(f"Seen {text}, stable")


@pytest.mark.parametrize(
    "text",
    [
        "BP 120/80", "strength 4/5", "pain 7/10", "7/10 abd pain", "1-2 tabs", "C5-6", "L4/L5", "grade 3/6 murmur",
        "ratio 1/4 bottles", "in 2019", "since 2012", "2019-2021", "on Monday",
        "at 14:30", "for 3 weeks", "18G", "24/7", "98.6 F", "HbA1c 7.1", "CPT 99213", "ICD-10 E11.9",
        "SNOMED 44054006", "LOINC 8480-6", "90 degrees", "SpO2 94%", "aged 89", "platelets 150,000", "120 mg",
    ],
)  # fmt: skip
def test_a_grade_a_dose_or_a_code_stays(text: str) -> None:
    assert _scrub(f"patient has {text} now") == f"patient has {text} now"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("(218) 555-0182", "PHONE"), ("+44 20 7946 0958", "PHONE"), ("07700 900412", "PHONE"), ("ext 3308", "PHONE"),
        ("555-0199", "PHONE"),
        ("a.b@example.org", "EMAIL"), ("a.b at example dot org", "EMAIL"),
        ("https://x.example.net/v/1?u=2", "URL"), ("www.example.com/find-us", "URL"), ("198.51.100.24", "URL"),
        ("2001:db8::1", "URL"),
        ("MRN 60117", "ID"), ("SSN 923-09-1184", "ID"), ("plate 4KD 991", "ID"), ("s/n K7T-0091882", "ID"),
        ("claim ML 2024-0088", "ID"), ("4EF5GH6JK78", "ID"), ("UPS450099", "ID"),
        ("44 Birch Bark Ln", "LOCATION"), ("PO Box 1190", "LOCATION"), ("1500 Harding Way, Suite 4", "LOCATION"),
        ("PA34 4XX", "LOCATION"), ("ZIP 02135", "LOCATION"),
        ("aged 93", "AGE_OVER_89"), ("101-year-old", "AGE_OVER_89"), ("ninety-two years old", "AGE_OVER_89"),
        ("in her nineties", "AGE_OVER_89"), ("94M", "AGE_OVER_89"),
    ],
)  # fmt: skip
def test_what_reaches_or_numbers_a_person_is_masked(text: str, label: str) -> None:
    assert f"[{label}]" in _scrub(f"see {text} please")


def test_spans_are_sorted_and_do_not_overlap_and_offsets_are_code_points() -> None:
    text = "😀 Dr. Żółkiewski wrote to josé@example.org on 3/4/2024 from 44 Birch Bark Ln, Duluth, MN 55811"
    spans = LOCAL.spans(text, NOBODY)
    assert all(first.end <= second.start for first, second in pairwise(spans))
    assert text[spans[0].start : spans[0].end] == "Żółkiewski"
