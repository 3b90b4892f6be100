"""The views that analysts get: they join, they are described, and what the clinic writes fills them."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import Problem
from shared.views import View, by_type, compile_view, shipped
from shared.views.shipped import definitions
from tests.golden.clinic_resources import left, written
from tests.views_by_hand import blood_pressure, patient

POLICIES = ("safe-harbor", "expert")

# what the clinic never writes; everything else is filled at least once
NEVER_WRITTEN = {
    "allergy_intolerance": {"type", "categories", "onset", "last_occurrence"},
    "blood_pressure": {"interpretation", "body_site", "method"},
    "condition": {"severity", "body_site", "onset_start", "onset_age", "abatement"},
    "diagnostic_report": {"effective_start", "effective_end", "conclusion_code", "practitioner_key"},
    "encounter": {"service_type", "priority", "reason_system", "reason_code", "admit_source", "part_of_key"},
    "immunization": {
        *("status_reason", "recorded", "site", "route", "dose", "dose_unit", "dose_number"),
    },
    "lab_results": {"value_comparator", "value_text", "interpretation", "specimen_key"},
    "medication_request": {
        *(
            "category",
            "priority",
            "do_not_perform",
            "medication_key",
            "reason",
            "dose",
            "dose_unit",
            "route",
            "refills",
        ),
    },
    "observation": {
        *("effective_start", "effective_end", "value_comparator", "value_boolean", "value_integer", "value_date"),
        *("value_low", "value_high", "absent_reason", "interpretation", "body_site", "method"),
    },
    "observation_component": {
        *("value_comparator", "value_system", "value_code", "value_text", "value_boolean", "value_integer"),
        *("value_date", "value_low", "value_high", "absent_reason", "interpretation"),
    },
    "patient": {"deceased", "deceased_date", "multiple_birth", "practitioner_key"},
    "procedure": {"category", "performed", "reason", "body_site", "outcome", "practitioner_key"},
    "vital_signs": {"interpretation"},
}


def _rows(view: View, policy: str) -> list[dict[str, object]]:
    return [row for resource in left(policy) for row in view.rows(resource)]


def test_these_are_the_views() -> None:
    assert [view.name for view in shipped()] == sorted(NEVER_WRITTEN) == sorted(definitions())
    assert [view.name for view in by_type("Observation")] == [
        *("blood_pressure", "lab_results", "observation", "observation_component", "vital_signs")
    ]
    assert by_type("Basic") == ()


@pytest.mark.parametrize("view", shipped(), ids=lambda view: view.name)
def test_every_column_is_described_and_has_the_type_that_its_path_tells(view: View) -> None:
    assert all(column.description.endswith((".", "…")) for column in view.columns)

    def bare(select: dict[str, Any]) -> dict[str, Any]:
        columns = [{**column, "type": None} for column in select.get("column", [])]
        rest: dict[str, Any] = {
            key: [bare(one) for one in select[key]] for key in ("select", "unionAll") if key in select
        }
        return {**select, "column": columns, **rest}

    definition = definitions()[view.name]
    inferred = compile_view({**definition, "select": [bare(one) for one in definition["select"]]})
    assert [(one.name, one.type) for one in inferred.columns] == [(one.name, one.type) for one in view.columns]


@pytest.mark.parametrize("view", shipped(), ids=lambda view: view.name)
def test_every_view_begins_with_its_key_and_names_its_patient(view: View) -> None:
    names = [column.name for column in view.columns]
    assert view.columns[0].path == "getResourceKey()"
    assert names[0].endswith("_key")
    assert "patient_key" in names
    keys = [column for column in view.columns if column.name.endswith(("_key", "_keys"))]
    assert all(
        "Key()" in column.path or "getReferenceKey(" in column.path or column.name == "organization_key"
        for column in keys
    )


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("view", shipped(), ids=lambda view: view.name)
def test_what_the_clinic_writes_fills_every_column_but_those_named(view: View, policy: str) -> None:
    rows = _rows(view, policy)
    filled = {name for row in rows for name, value in row.items() if value not in (None, [])}
    assert {column.name for column in view.columns} - filled == NEVER_WRITTEN[view.name]
    assert all(list(row) == [column.name for column in view.columns] for row in rows)


@pytest.mark.parametrize("policy", POLICIES)
def test_rows_of_all_views_join_on_the_patients_key(policy: str) -> None:
    patients = {row["patient_key"] for view in by_type("Patient") for row in _rows(view, policy)}
    for view in shipped():
        assert {row["patient_key"] for row in _rows(view, policy)} <= patients, view.name
    reports = next(view for view in shipped() if view.name == "diagnostic_report")
    observations = {row["observation_key"] for view in by_type("Observation") for row in _rows(view, policy)}
    results = {key for row in _rows(reports, policy) for key in row["observation_keys"]}  # type: ignore[attr-defined]
    assert results
    assert results <= observations


def test_under_safe_harbor_a_moment_is_a_year() -> None:
    for view in shipped():
        moments = {column.name for column in view.columns if column.type in ("date", "dateTime", "instant")}
        told = {row[name] for row in _rows(view, "safe-harbor") for name in moments} - {None}
        assert all(isinstance(moment, str) and len(moment) == 4 for moment in told), view.name


@pytest.mark.parametrize("policy", POLICIES)
def test_the_rows_are_those_of_code_written_by_hand(policy: str) -> None:
    views = {view.name: view for view in shipped()}
    for resource in left(policy):
        if resource["resourceType"] == "Patient":
            assert views["patient"].rows(resource) == patient(dict(resource))
        if resource["resourceType"] == "Observation":
            assert views["blood_pressure"].rows(resource) == blood_pressure(dict(resource))


def _bent(value: Any, at: int) -> tuple[Any, int]:
    """The value with its `at`-th part gone, doubled or of another shape."""
    if at == 0:
        return [value, value] if isinstance(value, dict) else {"x": value}, -1
    at -= 1
    if isinstance(value, dict):
        copy = {}
        for key, part in value.items():
            copy[key], at = _bent(part, at) if at >= 0 and key != "resourceType" else (part, at)
        return copy, at
    if isinstance(value, list):
        made = []
        for part in value:
            one, at = _bent(part, at) if at >= 0 else (part, at)
            made.append(one)
        return made, at
    return value, at


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(1, 4), which=st.integers(0, 10_000), clear=st.booleans())
def test_no_resource_of_the_clinic_makes_a_view_raise(seed: int, which: int, clear: bool) -> None:
    resources = written(300, seed) if clear else left("expert", 300, seed)
    resource = resources[which % len(resources)]
    for view in by_type(str(resource["resourceType"])):
        view.rows(resource)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(which=st.integers(0, 10_000), at=st.integers(1, 60))
def test_a_bent_resource_gives_rows_or_a_problem_and_never_another_error(which: int, at: int) -> None:
    resources = left("safe-harbor", 300)
    bent, _ = _bent(dict(resources[which % len(resources)]), at)
    for view in by_type(str(bent["resourceType"])):
        with suppress(Problem):
            assert all(len(row) == len(view.columns) for row in view.rows(bent))
