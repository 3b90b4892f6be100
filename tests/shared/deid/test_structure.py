"""What is in a resource besides values: extensions, contained resources, nesting, unknown names."""

import pytest

from shared.errors import Code, Problem
from tests.shared.deid.doors import POLICIES, door, leaves

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"
WHITE = {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3"}


def test_race_ethnicity_and_sex_leave_as_codes() -> None:
    def extension(name: str) -> dict[str, object]:
        nested = [
            {"url": "ombCategory", "valueCoding": {**WHITE, "display": "White"}},
            {"url": "text", "valueString": "White, of the Smith family"},
            {"url": "John Smith", "valueCoding": WHITE},
        ]
        return {"url": f"{US_CORE}/{name}", "id": "x", "extension": nested}

    sex = {"url": f"{US_CORE}/us-core-birthsex", "valueCode": "F"}
    given = [extension("us-core-race"), extension("us-core-ethnicity"), sex, extension("us-core-tribal-affiliation")]
    safe = [
        {"url": f"{US_CORE}/{name}", "extension": [{"url": "ombCategory", "valueCoding": WHITE}]}
        for name in ("us-core-race", "us-core-ethnicity")
    ]
    assert leaves({"resourceType": "Patient", "extension": given}) == {"extension": [*safe, sex]}


def test_an_extension_with_a_value_of_another_type_or_outside_the_list_stays_behind() -> None:
    url = f"{US_CORE}/us-core-birthsex"
    for value in ({"valueString": "F"}, {"valueCode": "John"}, {"valueCode": ["F"]}, {}):
        assert leaves({"resourceType": "Patient", "extension": [{"url": url, **value}]}) == {}
    assert leaves({"resourceType": "Observation", "extension": [{"url": url, "valueCode": "F"}]}) == {}


def test_primitive_siblings_stay_behind() -> None:
    birth_time = {
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime",
                "valueDateTime": "2000-01-01T01:01:01Z",
            }
        ]
    }
    patient = {"resourceType": "Patient", "birthDate": "2000-01-01", "_birthDate": birth_time, "_gender": {"id": "x"}}
    assert leaves(patient) == {"birthDate": "2000"}


def test_a_part_with_a_modifier_extension_stays_behind_and_the_others_leave() -> None:
    contacts = [
        {"gender": "male", "modifierExtension": [{"url": "urn:not", "valueBoolean": True}]},
        {"gender": "female"},
    ]
    assert leaves({"resourceType": "Patient", "contact": contacts}) == {"contact": [{"gender": "female"}]}


def test_an_array_where_one_belongs_and_one_where_an_array_belongs_stay_behind() -> None:
    assert leaves({"resourceType": "Patient", "gender": ["male"], "communication": {"preferred": True}}) == {}


def test_a_form_may_nest_its_questions_and_a_bottomless_one_ends() -> None:
    item: dict[str, object] = {"linkId": "last", "answer": [{"valueBoolean": True}]}
    for _ in range(60):
        item = {"linkId": "q", "text": "Are you John Smith?", "item": [item]}
    safe = leaves({"resourceType": "QuestionnaireResponse", "status": "completed", "item": [item]})
    depth = 0
    level = safe.get("item")
    while isinstance(level, list):
        depth, level = depth + 1, level[0].get("item")
    assert 6 <= depth <= 12


def test_answers_leave_as_codes_and_booleans_under_a_keyed_question() -> None:
    def answers(link: str) -> list[dict[str, object]]:
        answer = [{"valueString": "John"}, {"valueBoolean": True}, {"valueInteger": 12345}, {"valueCoding": WHITE}]
        return [{"linkId": link, "text": "Name?", "answer": answer}]

    first, second, other = (
        leaves({"resourceType": "QuestionnaireResponse", "item": answers(link)})["item"] for link in "aab"
    )
    assert first == second != other
    assert isinstance(first, list)
    assert first[0].keys() == {"linkId", "answer"}
    assert first[0]["answer"] == [{"valueBoolean": True}, {"valueCoding": WHITE}]


@pytest.mark.parametrize("policy", POLICIES)
def test_free_text_is_withheld(policy: str) -> None:
    note = {
        "resourceType": "Observation",
        "note": [{"text": "John Smith"}],
        "valueString": "John",
        "text": {"div": "<div>John</div>"},
    }
    assert leaves(note, policy) == {}


def test_of_a_document_only_what_kind_it_is_leaves() -> None:
    attachment = {
        "contentType": "application/pdf",
        "url": "https://x",
        "title": "smith.pdf",
        "data": "e30=",
        "hash": "e30=",
        "size": 7,
    }
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": attachment}],
        "description": "of John",
    }
    assert leaves(document) == {"status": "current", "content": [{"attachment": {"contentType": "application/pdf"}}]}
    named = {
        "resourceType": "DocumentReference",
        "content": [{"attachment": {"contentType": "application/john-smith"}}],
    }
    assert leaves(named) == {}


def test_of_a_device_only_what_it_is_leaves() -> None:
    device = {
        "resourceType": "Device",
        "type": {"coding": [{"system": "http://snomed.info/sct", "code": "14106009"}]},
        "serialNumber": "AMID-342135-8464",
        "lotNumber": "43453424",
        "udiCarrier": [
            {
                "deviceIdentifier": "09504000059118",
                "carrierHRF": "{01}09504000059118{17}141120{10}7654321D{21}10987654d321",
            }
        ],
        "deviceName": [{"name": "of John", "type": "user-friendly-name"}],
        "manufactureDate": "2020-01-01",
    }
    assert leaves(device) == {"type": device["type"]}


def test_the_patient_s_sequence_stays_behind() -> None:
    sequence = {
        "resourceType": "MolecularSequence",
        "type": "dna",
        "observedSeq": "ACGT",
        "variant": [{"start": 12, "end": 13, "observedAllele": "C"}],
    }
    assert leaves(sequence) == {"type": "dna"}


@pytest.mark.parametrize("name", ["Foo", "", None, 7, ["Patient"], "Resource", "DomainResource", "AsyncJob", "patient"])
def test_a_type_that_is_not_of_r4_is_refused_without_saying_what_it_is(name: object) -> None:
    with pytest.raises(Problem) as refused:
        door().deidentify({"resourceType": name})
    assert (refused.value.code, refused.value.at) == (Code.NO_POLICY, "resourceType")


def test_a_type_without_a_table_says_what_it_is_and_no_more() -> None:
    definition = {
        "resourceType": "ActivityDefinition",
        "id": "a",
        "status": "active",
        "kind": "Task",
        "name": "John",
        "date": "2024-01-01",
    }
    assert leaves(definition) == {"status": "active", "kind": "Task"}


def test_an_id_that_is_none_stays_behind() -> None:
    for given in ("John Smith", "", "x" * 65, 7, None, "a\n"):
        assert "id" not in door().deidentify({"resourceType": "Patient", "id": given})
