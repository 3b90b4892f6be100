"""Nothing that R4 can hold gets through the door unless a rule says so: every place of every type, both policies."""

import json

import pytest

from shared.fhir.elements import resource_types
from tests.leaks.seeding import DAY, MARK, Seeds
from tests.shared.deid.doors import POLICIES, door

TYPES = sorted(resource_types())


def test_the_seeds_are_in_every_type_of_r4() -> None:
    seeds = Seeds(known=False)
    for name in TYPES:
        seeds.resource(name)
    assert len(TYPES) == 146
    assert seeds.markers > 100_000


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", TYPES)
def test_no_seed_leaves(name: str, policy: str) -> None:
    for known in (False, True):
        safe = json.dumps(door(policy).deidentify(Seeds(known).resource(name)))
        assert MARK not in safe
        assert DAY not in safe
        assert "Smith" not in safe


def test_what_may_leave_does_so_from_among_the_seeds() -> None:
    """Otherwise a door that is always shut would pass."""
    safe = [json.dumps(door().deidentify(Seeds(known=True).resource(name))) for name in TYPES]
    for kept in ('"8480-6"', '"mg"', '"1987"', '"Patient/', "7.5", "true"):
        assert sum(kept in text for text in safe) > 30, kept


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", TYPES)
def test_a_modifier_extension_keeps_the_whole_resource_behind(name: str, policy: str) -> None:
    seeds = Seeds(known=True)
    resource = seeds.resource(name) | {"modifierExtension": [{"url": seeds.mark(), "valueString": seeds.mark()}]}
    assert door(policy).deidentify(resource).keys() <= {"resourceType", "id"}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "junk", [None, True, 7, 10**400, 1.5, float("nan"), float("inf"), "text", [], {}, [[]], [None], [{"a": [1]}]]
)
def test_a_value_of_the_wrong_shape_stays_behind_and_breaks_nothing(junk: object, policy: str) -> None:
    for name in TYPES:
        resource = {**dict.fromkeys(Seeds(known=False).resource(name), junk), "resourceType": name}
        safe = door(policy).deidentify(resource)
        assert set(map(type, safe.values())) <= {str, bool, int, float}
        assert "NaN" not in json.dumps(safe)


def test_no_resource_leaves_inside_another() -> None:
    patient = {"resourceType": "Patient", "id": "a", "gender": "female"}
    for resource in (
        {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}]},
        {"resourceType": "Parameters", "parameter": [{"name": "p", "resource": patient}]},
        {"resourceType": "Observation", "contained": [patient], "subject": {"reference": "#a"}},
        {"resourceType": "Binary", "contentType": "application/fhir+json", "data": "e30="},
    ):
        safe = json.dumps(door().deidentify(resource))
        assert "female" not in safe
        assert "#a" not in safe
        assert "e30" not in safe
