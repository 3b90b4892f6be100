"""The figures of re-identification risk, against examples counted by hand, and what must hold for any data."""

from collections.abc import Hashable
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.deid.risk import Breach, Class, Gate, NoPatients, breaches, classes, measure

NONE: frozenset[str] = frozenset()

type Person = tuple[Hashable, frozenset[str]]


def people(size: int, name: str, *held: str) -> list[Person]:
    return [(name, frozenset(held))] * size


def test_the_figures_are_those_counted_by_hand() -> None:
    found = measure(
        classes(
            [
                *people(1, "alone", "gout"),
                *people(3, "few"),
                *people(4, "four", "flu"),
                *people(12, "dozen", "flu"),
                *people(1, "dozen", "gout", "flu"),
                *people(20, "many", "flu"),
                *people(9, "many", "gout"),
            ]
        )
    )
    assert (found.patients, found.classes, found.k) == (50, 5, 1)
    assert found.bands == {"1": (1, 1), "2-4": (2, 7), "5-10": (0, 0), "11-19": (1, 13), "20+": (1, 29)}
    assert found.unique == 1 / 50
    assert found.small == 8 / 50
    assert found.average_risk == pytest.approx((1 / 1 + 3 / 3 + 4 / 4 + 13 / 13 + 29 / 29) / 50)
    assert found.greatest_risk == 1
    assert found.diversity == 1
    assert found.uniform == 3 / 5
    assert found.told == (1 + 4 + 13) / 50, "alone: gout; four and dozen: flu; many: either; few: none of them has any"


def test_a_class_of_11_is_not_small_and_one_of_10_is() -> None:
    assert measure(classes(people(11, "a"))).small == 0
    assert measure(classes(people(10, "a"))).small == 1


def test_many_diagnoses_of_one_patient_are_no_diversity() -> None:
    assert classes(people(1, "a", "gout", "flu", "scurvy")) == {Class(1, 1, told=True): 1}


def test_a_shared_diagnosis_is_told_however_diverse_the_class_is() -> None:
    assert classes([("a", frozenset({"flu", str(n)})) for n in range(5)]) == {Class(5, 5, told=True): 1}
    assert classes([("a", frozenset({str(n)})) for n in range(5)]) == {Class(5, 5, told=False): 1}


def test_no_patients_have_no_figures() -> None:
    with pytest.raises(NoPatients):
        measure(classes([]))


def test_a_figure_at_its_limit_is_inside_and_one_beyond_is_named() -> None:
    found = measure(classes([*people(1, "a"), *people(4, "b"), *people(15, "c")]))
    assert breaches(Gate(max_unique=0.05, max_small=0.25, min_k=1), found) == ()
    assert breaches(Gate(max_unique=0.05, max_small=0.25), found) == ()
    assert breaches(Gate(max_unique=0.04, max_small=0.2, min_k=2), found) == (
        Breach("unique", 0.05, 0.04),
        Breach("small", 0.25, 0.2),
        Breach("k", 1, 2),
    )


VALUES = st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans())
PEOPLE = st.lists(st.tuples(VALUES, st.frozensets(st.sampled_from("abc"))), min_size=1, max_size=60)


@given(PEOPLE)
def test_shares_are_shares_and_k_is_the_size_of_the_smallest_class(
    rows: list[tuple[tuple[int, ...], frozenset[str]]],
) -> None:
    found = measure(classes(rows))
    sizes = [sum(quasi == other for other, _ in rows) for quasi, _ in rows]
    assert found.patients == len(rows)
    assert found.k == min(sizes)
    assert found.average_risk == pytest.approx(sum(1 / size for size in sizes) / len(rows))
    assert found.greatest_risk == max(1 / size for size in sizes)
    assert 0 <= found.unique <= found.small <= 1
    assert found.unique <= found.average_risk <= found.greatest_risk <= 1
    assert 0 <= found.uniform <= 1
    assert 0 <= found.told <= 1
    assert 1 <= found.diversity <= max(sizes)
    assert sum(band.patients for band in found.bands.values()) == found.patients
    assert sum(band.classes for band in found.bands.values()) == found.classes


@given(PEOPLE)
def test_knowing_less_never_makes_a_patient_easier_to_find(rows: list[tuple[tuple[int, ...], frozenset[str]]]) -> None:
    whole = measure(classes(rows))
    for kept in combinations(range(3), 2):
        less = measure(classes([(tuple(quasi[i] for i in kept), held) for quasi, held in rows]))
        assert less.k >= whole.k
        assert less.unique <= whole.unique
        assert less.small <= whole.small
        assert less.average_risk <= whole.average_risk
        assert less.diversity >= whole.diversity
