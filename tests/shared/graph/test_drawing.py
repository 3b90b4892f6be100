"""From a row's versions to its picture; the plan, the schema and the shipped views hold together."""

from typing import Any

import pytest

from shared.errors import Code, Problem
from shared.graph import plan
from shared.graph.drawing import Drawing
from shared.graph.gsql import text
from shared.graph.picture import CONCEPT, KNOWN, Edge
from shared.graph.plan import DEFAULTS, FILE
from shared.graph.rows import view_rows
from shared.local.tigergraph.schema import parse
from shared.local.tigergraph.server import SCHEMA
from shared.sinks.changes.port import DEPTH, Change
from shared.views import by_type
from tests.drawings import DRAWING, change, key

SHIPPED = plan.shipped()
REAL = Drawing(SHIPPED, view_rows)


def test_an_edge_is_the_same_wherever_its_attributes_alone_differ() -> None:
    edge, other = Edge("CODED_AS", (CONCEPT, "a")), Edge("CODED_AS", (CONCEPT, "b"))
    told = Edge(edge.type, edge.to, (("since", "2020"),))
    assert (edge == told, edge != told, len({edge, told})) == (True, False, 1)
    assert (edge == other, edge != other, len({edge, other})) == (False, True, 2)


def test_the_schema_file_is_the_plan_in_gsql() -> None:
    assert SCHEMA.read_text() == text(SHIPPED), "run ./dev python -m shared.graph.gsql"


def test_the_schema_as_tigergraph_reads_it_has_every_type_and_attribute_of_the_plan() -> None:
    schema = parse(SCHEMA.read_text())
    assert {type: {n: a.type for n, a in of.items()} for type, of in schema.vertices.items()} == SHIPPED.vertices
    assert {name: set(edge.pairs) for name, edge in schema.edges.items()} == {
        name: pairs for name, (pairs, _) in SHIPPED.edges.items()
    }
    assert {edge.reverse for edge in schema.edges.values()} == set(SHIPPED.reverse.values())
    for attributes in schema.vertices.values():
        assert attributes[KNOWN].default is False, "what only an edge names is not known"


@pytest.mark.parametrize("type", SHIPPED.kinds)
def test_every_column_that_the_plan_names_is_one_of_the_view(type: str) -> None:
    kind = SHIPPED.kinds[type]
    [view] = [one for one in by_type(type) if one.name == kind.view]
    columns = {column.name: column for column in view.columns}
    named = {attribute.column or name for name, attribute in kind.attributes.items()}
    assert named <= set(columns)
    assert not [name for name in named if columns[name].collection], "an attribute is one value"
    for relation in kind.relations:
        assert {*relation.columns, *relation.attributes.values()} <= set(columns)
        assert relation.target == CONCEPT or (relation.target in SHIPPED.kinds and len(relation.columns) == 1)
        assert relation.edge in SHIPPED.reverse


def test_the_plan_is_closed(tmp_path: Any) -> None:
    with pytest.raises(ValueError, match="extra"):
        plan.Plan.model_validate_json(FILE.read_bytes().replace(b'"view"', b'"veiw"', 1))


def test_a_report_leads_to_its_patient_encounter_results_and_code() -> None:
    report: dict[str, object] = {
        "resourceType": "DiagnosticReport",
        "id": key(1),
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "58410-2"}]},
        "subject": {"reference": f"Patient/{key(2)}"},
        "encounter": {"reference": f"Encounter/{key(3)}"},
        "result": [{"reference": f"Observation/{key(n)}"} for n in (4, 5)],
    }
    made = REAL.picture("north", "k1", [Change("DiagnosticReport", key(1), "1/0/0/0", False, report)])
    assert {(edge.type, *edge.to) for edge in made.vertex.edges} == {
        ("HAS_PATIENT", "Patient", key(2)),
        ("IN_ENCOUNTER", "Encounter", key(3)),
        ("HAS_RESULT", "Observation", key(4)),
        ("HAS_RESULT", "Observation", key(5)),
        ("CODED_AS", CONCEPT, "http://loinc.org|58410-2"),
    }
    assert [concept.attributes for concept in made.concepts] == [
        {"known": True, "system": "http://loinc.org", "code": "58410-2"}
    ]


def test_a_measured_zero_is_told_from_no_value() -> None:
    def drawn(**more: object) -> Any:
        observation: dict[str, object] = {"resourceType": "Observation", "status": "final", **more}
        made = REAL.picture("north", "k1", [Change("Observation", key(1), "1/0/0/0", False, observation)])
        return made.vertex.attributes["value_number"], made.vertex.attributes["has_value_number"]

    assert drawn(valueQuantity={"value": 0}) == (0.0, True)
    assert drawn() == (0.0, False)


def test_every_attribute_is_written_so_that_none_of_an_older_version_stays() -> None:
    made = DRAWING.picture("north", "k1", [change("Observation", 1, 2)])
    assert set(made.vertex.attributes) == set(DRAWING._plan.kinds["Observation"].columns)
    assert all(value in (*DEFAULTS.values(), made.sequence) for value in made.vertex.attributes.values())


def test_what_older_versions_had_and_the_newest_has_not_is_gone() -> None:
    first = change("Observation", 1, 1, status="final", patient=key(2), codes=["a", "b"])
    second = change("Observation", 1, 2, status="final", patient=key(2), codes=["c"])
    third = change("Observation", 1, 3, status="final", patient=key(2), codes=["b"])
    for order in ([first, second, third], [third, first, second]):
        made = DRAWING.picture("north", "k1", order)
        assert made.sequence == third.sequence
        assert {edge.to[1][-1] for edge in made.gone} == {"a", "c"}
        assert not made.wipe


def test_where_the_log_may_not_tell_all_everything_is_taken_away() -> None:
    live = [change("Observation", 1, 2 + n, status="final") for n in range(DEPTH)]
    tombstone = change("Observation", 1, 1)
    assert DRAWING.picture("north", "k1", live).wipe
    assert DRAWING.picture("north", "k1", [tombstone]).wipe
    assert DRAWING.picture("north", "k1", [tombstone, live[0]]).wipe
    assert not DRAWING.picture("north", "k1", live[1:]).wipe
    later = change("Observation", 1, 99)
    made = DRAWING.picture("north", "k1", [later, change("Observation", 1, 2, patient=key(2))])
    assert (made.wipe, [edge.to for edge in made.gone]) == (False, [("Patient", key(2))]), "the log tells what to take"


def test_a_type_without_a_vertex_is_not_shown() -> None:
    assert not REAL.shows("Practitioner")
    assert REAL.shows("Patient")


def test_a_row_that_its_view_does_not_fit_is_named_by_its_code() -> None:
    broken: dict[str, object] = {"resourceType": "Patient", "gender": ["male", "female"]}
    with pytest.raises(Problem) as failed:
        REAL.picture("north", "k1", [Change("Patient", key(1), "1/0/0/0", False, broken)])
    assert failed.value.code is Code.VIEW_FAILED
