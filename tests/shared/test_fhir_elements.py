"""The element table: FHIR R4 as it is, with what Medplum adds to Meta."""

import orjson

from shared.fhir.elements import CODES, ELEMENTS, codes, json_names, resource_types, types


def test_all_resource_types_of_r4_are_known_and_nothing_of_medplum_s_own() -> None:
    assert len(resource_types()) == 146
    assert {"Patient", "Observation", "Bundle", "Parameters", "Binary"} <= resource_types()
    assert not resource_types() & {"Resource", "DomainResource", "Bot", "Project", "SubscriptionStatus"}


def test_every_type_that_an_element_has_is_a_type_of_the_table() -> None:
    named = {of for given in types().values() for element in given.elements.values() for of in element.types}
    assert named <= set(types())


def test_a_type_has_the_elements_of_those_it_is_built_on() -> None:
    assert {"id", "meta", "text", "contained", "modifierExtension", "birthDate"} <= set(types()["Patient"].elements)
    assert {"id", "extension", "value", "unit"} <= set(types()["Age"].elements)
    assert {"project", "author", "accounts", "compartment"} <= set(types()["Meta"].elements)


def test_content_that_refers_to_other_content_is_that_content() -> None:
    assert types()["Observation.component"].elements["referenceRange"].types == ("Observation.referenceRange",)
    assert types()["QuestionnaireResponse.item"].elements["item"].types == ("QuestionnaireResponse.item",)


def test_a_choice_has_a_json_name_for_each_type() -> None:
    names = json_names("value[x]", types()["Observation"].elements["value[x]"])
    assert names["valueQuantity"] == "Quantity"
    assert names["valueDateTime"] == "dateTime"
    assert len(names) == 11


def test_facts_of_an_element_are_those_of_its_definition() -> None:
    status = types()["Observation"].elements["status"]
    assert (status.types, status.min, status.max, status.modifier) == (("code",), 1, "1", True)
    assert (status.strength, status.values) == ("required", "http://hl7.org/fhir/ValueSet/observation-status")
    assert codes().sets[status.values or ""] >= {"registered", "final", "entered-in-error"}
    assert types()["Condition"].elements["subject"].targets == ("Group", "Patient")
    assert types()["Patient"].elements["name"].many


def test_the_tables_are_small_enough_to_read_at_start() -> None:
    assert ELEMENTS.stat().st_size < 500_000
    assert CODES.stat().st_size < 500_000
    assert orjson.loads(ELEMENTS.read_bytes())["source"] == orjson.loads(CODES.read_bytes())["source"]
