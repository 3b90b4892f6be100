"""A view that is no good is refused when it is compiled, with a code and the place in the definition."""

from typing import Any

import pytest

from shared.views import ViewError, compile_view

ID = {"name": "id", "path": "id"}


def _view(**more: Any) -> dict[str, Any]:
    return {"resource": "Patient", "select": [{"column": [ID]}], **more}


def _column(path: str, **more: Any) -> dict[str, Any]:
    return _view(select=[{"column": [{"name": "a", "path": path, **more}]}])


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nothing at all": ({}, "no-resource at resource"),
    "another resource": ({"resourceType": "Patient", "id": "p"}, "not-a-view at resourceType"),
    "no select": ({"resource": "Patient"}, "no-columns at select"),
    "a select that is no list": (_view(select={"column": [ID]}), "not-a-list at select"),
    "a select without columns": (_view(select=[{"forEach": "name"}]), "no-columns at select[0]"),
    "a misspelt member": (_view(select=[{"foreach": "name", "column": [ID]}]), "unknown-member at select[0].foreach"),
    "two iterations": (
        _view(select=[{"forEach": "name", "repeat": ["contact"], "column": [ID]}]),
        "two-iterations at select[0].repeat",
    ),
    "a path that is no FHIRPath": (_column("name.@"), "bad-fhirpath at select[0].column[0].path"),
    "a path that ends too soon": (_column("name.where(use = "), "bad-fhirpath at select[0].column[0].path"),
    "a column without a path": (
        _view(select=[{"column": [{"name": "a"}]}]),
        "bad-fhirpath at select[0].column[0].path",
    ),
    "a column without a name": (
        _view(select=[{"column": [{"path": "id"}]}]),
        "bad-name at select[0].column[0].name",
    ),
    "a name that is no column's": (
        _view(select=[{"column": [{"name": "a-b", "path": "id"}]}]),
        "bad-name at select[0].column[0].name",
    ),
    "an unknown function": (_column("name.shuffle()"), "unknown-function at select[0].column[0].path"),
    "too many arguments": (_column("name.first(1)"), "wrong-arguments at select[0].column[0].path"),
    "an unknown constant": (_column("%nobody"), "unknown-constant at select[0].column[0].path"),
    "a quantity, which is not read": (_column("5 'mg'"), "bad-fhirpath at select[0].column[0].path"),
    "a filter that gives a text": (_view(where=[{"path": "name.family"}]), "not-a-boolean at where[0].path"),
    "a filter without a path": (_view(where=[{}]), "bad-fhirpath at where[0].path"),
    "a name twice": (_view(select=[{"column": [ID, ID]}]), "duplicate-column at select[0]"),
    "a name twice, far apart": (
        _view(select=[{"column": [ID]}, {"select": [{"column": [ID]}]}]),
        "duplicate-column at select",
    ),
    "branches that differ": (
        _view(select=[{"unionAll": [{"column": [ID]}, {"column": [{"name": "b", "path": "id"}]}]}]),
        "union-mismatch at select[0].unionAll[1]",
    ),
    "branches of one and of many": (
        _view(select=[{"unionAll": [{"column": [ID]}, {"column": [{**ID, "collection": True}]}]}]),
        "union-mismatch at select[0].unionAll[1]",
    ),
    "a constant without a value": (_view(constant=[{"name": "a"}]), "bad-constant at constant[0]"),
    "a constant of no known name": (
        _view(constant=[{"name": "rowIndex", "valueCode": "x"}]),
        "bad-name at constant[0].name",
    ),
    "a repeat that stays where it is": (
        _view(select=[{"repeat": ["$this"], "column": [ID]}]),
        "endless-repeat at select[0].repeat[0]",
    ),
    "a repeat that goes back to the start": (
        _view(select=[{"repeat": ["contact", "%resource.contact"], "column": [ID]}]),
        "endless-repeat at select[0].repeat[1]",
    ),
    "a repeat of the resource": (
        _view(select=[{"repeat": ["Patient"], "column": [ID]}]),
        "endless-repeat at select[0].repeat[0]",
    ),
    "a path in too many brackets": (_column("(" * 200 + "id" + ")" * 200), "bad-fhirpath at select[0].column[0].path"),
    "a path that is too long": (_column("a" + ".a" * 4000), "bad-fhirpath at select[0].column[0].path"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_a_code_and_its_place(name: str) -> None:
    definition, told = REFUSED[name]
    with pytest.raises(ViewError) as refusal:
        compile_view(definition)
    assert str(refusal.value) == told


def test_selects_in_selects_are_read_to_a_depth_and_no_further() -> None:
    select: dict[str, Any] = {"column": [ID]}
    for _ in range(500):
        select = {"select": [select]}
    with pytest.raises(ViewError) as refusal:
        compile_view(_view(select=[select]))
    assert refusal.value.code == "too-deep"


def test_a_chain_of_choices_is_compiled_once_for_each_link() -> None:
    path = "value.ofType(Period)" + ".extension('x').value.ofType(Extension)" * 30
    assert compile_view({**_column(path), "resource": "Observation"}).columns[0].type == "Extension"


def test_columns_have_the_types_that_their_paths_tell() -> None:
    paths = {
        "birthDate": "date",
        "name.given": "string",
        "deceased.ofType(dateTime)": "dateTime",
        "name.exists()": "boolean",
        "name.count() + 1": "integer",
        "1 / 3": "decimal",
        "getResourceKey()": "string",
        "maritalStatus.coding.first()": "Coding",
        "extension('x').value.ofType(code).first()": "code",
        "%rowIndex": "integer",
        "unheardOf": None,
    }
    for path, kind in paths.items():
        assert compile_view(_column(path)).columns[0].type == kind, path
    assert compile_view(_column("id", type="http://hl7.org/fhir/StructureDefinition/id")).columns[0].type == "id"
