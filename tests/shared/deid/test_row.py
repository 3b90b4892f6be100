"""The row that leaves the door, and the sequence that orders it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.deid.door import open_doors
from shared.deid.sequence import DELETE, WRITE, sequence
from shared.errors import Code, Problem
from shared.events.data import Deidentified, Sequence, Validated
from shared.phi import Phi
from shared.settings import Tenant
from tests.shared.deid.doors import door

SEQUENCE: TypeAdapter[str] = TypeAdapter(Sequence)
PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "meta": {"versionId": "v1"}}


def _reference(**changes: object) -> Validated:
    given = {
        "project": "medplum-project",
        "type": "Patient",
        "id": "p1",
        "version": "v1",
        "last_updated": "2024-05-06T07:08:09.123Z",
        "generation": 1 << 16,
        "op": "write",
    }
    return Validated.model_validate({**given, **changes})


def test_a_write_becomes_a_row_that_names_nothing_of_the_record() -> None:
    row = door().row(_reference(), Phi(PATIENT))
    assert row.resource == {"resourceType": "Patient", "id": row.key, "gender": "female"}
    assert (row.project, row.resource_type, row.deleted) == ("clinic", "Patient", False)
    assert (row.policy, row.key_id, row.generation) == ("safe-harbor", "k1", 1 << 16)
    text = row.event().model_dump_json()
    assert Deidentified.model_validate_json(text) == row.event()
    for identifier in ("medplum-project", "p1", "v1", "2024-05-06"):
        assert f'"{identifier}' not in text


def test_a_deletion_becomes_a_tombstone_that_wins_over_the_version_it_deleted() -> None:
    write = door().row(_reference(), Phi(PATIENT))
    delete = door().row(_reference(op="delete"), None)
    assert (delete.deleted, delete.resource, delete.key) == (True, None, write.key)
    assert delete.sequence > write.sequence


def test_a_write_without_a_resource_is_no_deletion() -> None:
    with pytest.raises(ValueError, match="a write has a resource"):
        door().row(_reference(), None)


def test_a_later_generation_of_the_same_version_wins() -> None:
    first, second = (door().row(_reference(generation=generation), Phi(PATIENT)) for generation in (1 << 16, 2 << 16))
    assert second.sequence > first.sequence
    assert second.key == first.key


def test_the_same_version_gives_the_same_row() -> None:
    assert door().row(_reference(), Phi(PATIENT)) == door().row(_reference(), Phi(dict(PATIENT)))


@pytest.mark.parametrize("change, place", [({"id": "p2"}, "id"), ({"resourceType": "Person"}, "resourceType")])
def test_another_resource_than_the_event_names_is_refused(change: dict[str, object], place: str) -> None:
    with pytest.raises(Problem) as refused:
        door().row(_reference(), Phi({**PATIENT, **change}))
    assert (refused.value.code, refused.value.at) == (Code.RESOURCE_MISMATCH, place)


def test_a_type_that_is_not_of_r4_has_no_row_and_no_tombstone() -> None:
    for op, resource in (("write", Phi({**PATIENT, "resourceType": "Bot"})), ("delete", None)):
        with pytest.raises(Problem) as refused:
            door().row(_reference(type="Bot", op=op), resource)
        assert refused.value.code is Code.NO_POLICY


def test_a_tenant_opens_its_own_door() -> None:
    tenant = Tenant.model_validate(
        {
            "project": "p",
            "name": "clinic",
            "dataset": "clinic",
            "policy": "expert",
            "pseudonym_key": "ab" * 32,
            "key_id": "k7",
        }
    )
    row = open_doors(tenant)[0].row(_reference(), Phi(PATIENT))
    assert (row.policy, row.key_id) == ("expert", "k7")
    with pytest.raises(ValueError, match="no pseudonym key"):
        open_doors(tenant.model_copy(update={"pseudonym_key": None}))


INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


@given(INSTANTS, INSTANTS, st.integers(0, 1), st.integers(0, 1), st.integers(0, 2**48 - 1), st.integers(0, 2**52 - 1))
def test_later_versions_are_greater_as_text_under_any_offset(
    one: datetime, two: datetime, rank: int, other_rank: int, generation: int, offset: int
) -> None:
    def key(moment: datetime, rank: int) -> tuple[int, int]:
        return (moment - datetime(1, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1), rank

    texts = [
        sequence(moment.isoformat(), of, "ab" * 16, generation, offset)
        for moment, of in ((one, rank), (two, other_rank))
    ]
    assert (texts[0] < texts[1]) == (key(one, rank) < key(two, other_rank))
    assert len(texts[0]) == len(texts[1])
    assert all(SEQUENCE.validate_python(text) == text for text in texts)


def test_zones_and_fractions_of_an_instant_do_not_matter_beyond_the_millisecond() -> None:
    same = {
        sequence(text, WRITE, "ab" * 16, 0, 5)
        for text in ("2024-05-06T07:08:09.123Z", "2024-05-06T09:08:09.1239+02:00", "2024-05-06T07:08:09.123456789Z")
    }
    assert len(same) == 1
    assert sequence("2024-05-06T07:08:09.123Z", DELETE, "ab" * 16, 0, 5) > same.pop()
    with pytest.raises(ValueError, match="not an instant"):
        sequence("2024-05-06T07:08:09", WRITE, "ab" * 16, 0, 5)
