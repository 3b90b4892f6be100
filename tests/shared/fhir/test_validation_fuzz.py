"""Whatever comes is judged without an exception, and nothing of it is quoted. `./dev bench validate --inputs N` goes further."""

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.fhir.validation.narrative import xhtml
from shared.fhir.validation.ucum import standing
from tests.shared.fhir.fuzzing import documents, fuzzed, judge
from tests.shared.fhir.specimens import Json


@settings(max_examples=300)
@given(documents())
def test_a_bent_document_is_judged_by_rules_and_places_alone(document: Json) -> None:
    judge(document)


def test_the_fuzzer_reaches_both_verdicts_and_many_rules() -> None:
    found = fuzzed(300, first=1)
    assert found.documents >= 300
    assert found.passed > 0
    assert len(found.rules) >= 10


@given(st.text(st.characters()))
def test_any_text_is_judged_as_a_narrative_and_as_a_unit(text: str) -> None:
    assert xhtml(f'<div xmlns="http://www.w3.org/1999/xhtml">{text}') == "txt-1"
    assert standing(text) in ("unit", "practice", "none")
