"""FHIRPath as the compiled closures have it: empty in is empty out, three values of truth, and many where many are."""

from typing import Any

import pytest

from shared.errors import Code, Problem
from shared.views import compile_view

PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "birthDate": "1974-12",
    "_birthDate": {"extension": [{"url": "urn:t", "valueDateTime": "1974-12-25T14:35:45-05:00"}]},
    "gender": "female",
    "multipleBirthInteger": 2,
    "name": [
        {"use": "official", "family": "A", "given": ["a1", None, "a2"], "_given": [None, {"id": "x"}, None]},
        {"use": "usual", "family": "B", "given": ["b1"]},
    ],
    "managingOrganization": {"reference": "https://example.org/fhir/Organization/o1/_history/3"},
    "generalPractitioner": [{"reference": "Practitioner/dr-1"}, {"reference": "#inside"}, {"reference": "urn:uuid:1"}],
    "contained": [{"resourceType": "Organization", "id": "inside", "active": False}],
}


def value(path: str, resource: Any = None, **column: Any) -> Any:
    given = PATIENT if resource is None else resource
    view = {"resource": given["resourceType"], "select": [{"column": [{"name": "v", "path": path, **column}]}]}
    [row] = compile_view(view).rows(given)
    return row["v"]


def many(path: str, resource: Any = None) -> Any:
    return value(path, resource, collection=True)


@pytest.mark.parametrize(
    "path, expected",
    {
        # logic
        "{} and false": False,
        "false and {}": False,
        "true and {}": None,
        "{} or true": True,
        "{} or false": None,
        "true xor true": False,
        "{} xor true": None,
        "false implies {}": True,
        "{} implies true": True,
        "{} implies false": None,
        "{}.not()": None,
        "(1 = 2).not()": True,
        "true or false and false": True,
        "name.family.exists() and gender": True,
        # equality
        "{} = 1": None,
        "1 = 1.0": True,
        "true = 1": False,
        "'a' != 'b'": True,
        "name.family = 'A'": False,
        "(name.family | name.family) = name.family": True,
        "{} ~ {}": True,
        "managingOrganization = managingOrganization": True,
        # order
        "'a' < 'b'": True,
        "2 >= 2.0": True,
        "birthDate < @1975": True,
        "birthDate = @1974-12-01": None,
        "birthDate > @1974-12-01": None,
        "@2020-01-01T00:00:00Z = @2020-01-01T01:00:00+01:00": True,
        "@2020-01-01T00:00:00Z < @2020-01-01T00:00:00-01:00": True,
        "@T10:30 < @T10:31": True,
        # numbers and texts
        "1 + 2 * 3": 7,
        "0.1 + 0.2": 0.3,
        "7 div 2": 3,
        "-7 mod 3": -1,
        "-(1.5)": -1.5,
        "1 / 0": None,
        "1 + {}": None,
        "'a' + 'b'": "ab",
        "'a' & {}": "a",
        "'it\\'s \\u0041'": "it's A",
        # steps
        "name[1].family": "B",
        "name[7].family": None,
        "name.first().given.last()": "a2",
        "name.where(use = 'usual').family": "B",
        "name.where($this.use = 'usual').given.first()": "b1",
        "Patient.name.count()": 2,
        "name.given.count()": 3,
        "name.all(family.exists())": True,
        "name.exists(use = 'old')": False,
        "name.exists(use = 'usual' and family = 'B')": True,
        "name.empty()": False,
        "name.family.join(', ')": "A, B",
        "name.select(given.first()).join()": "a1b1",
        "'B' in name.family": True,
        "name.family contains 'C'": False,
        "iif(active, 'yes', 'no')": "yes",
        "iif(gender = 'male', 1)": None,
        "`active`": True,
        "multipleBirth": 2,
        "multipleBirth.ofType(integer)": 2,
        "multipleBirth.ofType(boolean)": None,
        "multipleBirth as integer": 2,
        "multipleBirth is integer": True,
        "multipleBirth is boolean": False,
        "gender is string": True,
        "deceased is boolean": None,
        "contained.ofType(Organization).active": False,
        "birthDate.extension('urn:t').value.ofType(dateTime)": "1974-12-25T14:35:45-05:00",
        "gender.startsWith('fe') and gender.endsWith('le') and gender.contains('mal')": True,
        "active.toString() + multipleBirth.ofType(integer).toString()": "true2",
        "%resource.id": "p1",
        "%sct": "http://snomed.info/sct",
        "unheardOf.of.all": None,
        # keys
        "getResourceKey()": "p1",
        "name.first().getResourceKey()": None,
        "managingOrganization.getReferenceKey()": "o1",
        "managingOrganization.getReferenceKey(Organization)": "o1",
        "managingOrganization.getReferenceKey(Patient)": None,
        "generalPractitioner.getReferenceKey(Practitioner)": "dr-1",
    }.items(),
)
def test_an_expression_gives(path: str, expected: object) -> None:
    found = value(path)
    assert found == expected
    assert type(found) is type(expected)


def test_many_stay_many_and_nulls_are_no_items() -> None:
    assert many("name.given") == ["a1", "a2", "b1"]
    assert many("name.given | 'b1' | 'c'") == ["a1", "a2", "b1", "c"]
    assert many("generalPractitioner.getReferenceKey()") == ["dr-1"]
    assert many("photo") == []


@pytest.mark.parametrize(
    "path",
    [
        "name.family",
        "name.given.first() > 3",
        "name.use = 'usual' or name.use",
        "'a' + 1",
        "'a' & 1",
        "gender.startsWith(1)",
        "name['a']",
        "-gender",
        "name.single().family",
        "multipleBirth.ofType(integer).join()",
        "1.5.lowBoundary('a')",
    ],
)
def test_what_a_resource_does_not_fit_is_a_problem_that_names_the_path_and_no_value(path: str) -> None:
    with pytest.raises(Problem) as problem:
        value(path)
    assert problem.value.code is Code.VIEW_FAILED
    assert problem.value.at == path


def test_a_filter_that_gives_no_boolean_fails_at_the_resource_that_shows_it() -> None:
    view = compile_view(
        {"resource": "Thing", "where": [{"path": "some"}], "select": [{"column": [{"name": "a", "path": "id"}]}]}
    )
    assert view.rows({"resourceType": "Thing", "id": "1", "some": True}) == [{"a": "1"}]
    assert view.rows({"resourceType": "Thing", "id": "1"}) == []
    with pytest.raises(Problem):
        view.rows({"resourceType": "Thing", "some": "text"})


def test_a_resource_that_is_bent_out_of_shape_gives_what_can_be_read() -> None:
    bent = {
        "resourceType": "Patient",
        "name": "no list",
        "birthDate": ["1974", "1975"],
        "maritalStatus": [{"text": "x"}],
    }
    assert value("name.family", bent) is None
    assert value("maritalStatus.text", bent) == "x"
    assert many("birthDate", bent) == ["1974", "1975"]
    with pytest.raises(Problem):
        value("birthDate", bent)


def test_decimals_that_were_read_exactly_keep_their_precision() -> None:
    view = compile_view(
        {
            "resource": "Observation",
            "select": [{"column": [{"name": "v", "path": "value.ofType(Quantity).value.lowBoundary()"}]}],
        }
    )
    assert view.exact_decimals
    from decimal import Decimal

    given = {"resourceType": "Observation", "valueQuantity": {"value": Decimal("1.50")}}
    assert view.rows(given) == [{"v": Decimal("1.49500000")}]
