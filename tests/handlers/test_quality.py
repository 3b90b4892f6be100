"""What validation finds, and who is told: counts beyond the door, an outcome in Medplum, a rule in quarantine. Never whose."""

import json
from copy import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from handlers.quality import tally
from handlers.validation import Outcomes, validate
from shared.deid.door import Door, open_doors
from shared.deid.policy import load
from shared.deid.pseudonyms import Pseudonyms
from shared.effects import Effect, Publish, Record, SetAside, Tally, Together
from shared.errors import Code, Problem
from shared.events.data import Changed, Data, QualityFound
from shared.events.envelope import Event
from shared.fhir.port import Resource
from shared.fhir.validation import Validator
from shared.identity.event_ids import EventIds
from shared.phi import Phi
from shared.telemetry.metrics import RULES_BROKEN, SERIES
from shared.tenancy import ByProject
from tests.tenant import EVENT_KEY, PROJECT, tenant

IDS = ByProject({PROJECT: EventIds(bytes.fromhex(EVENT_KEY))})
OWN = open_doors(tenant())
SECOND = Door("clinic", load("expert"), Pseudonyms(b"s" * 32, "k2"))
DOORS = ByProject({PROJECT: (*OWN, SECOND)})
RULES = Validator("default")
CORRELATION = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
REFERENCE: dict[str, Any] = {
    "project": PROJECT,
    "type": "Observation",
    "id": "o-canary",
    "version": "v-canary",
    "last_updated": "2026-11-20T10:41:55.279Z",
    "generation": 1 << 16,
}
PULSE: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "o-canary",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Canarytext"}]},
    "subject": {"reference": "Patient/p-canary"},
    "effectiveDateTime": "2026-11-20",
    "valueQuantity": {"value": 71, "system": "http://unitsofmeasure.org", "code": "/min"},
}
ODD = PULSE | {"valueQuantity": {"value": 71, "unit": "beats"}, "effectiveDateTime": None}
ODD.pop("effectiveDateTime")
WRONG = PULSE | {"valueQuantity": PULSE["valueQuantity"] | {"value": -71}}
CANARIES = ("canary", "Canary", "2026-11-20", "a" * 64, CORRELATION, PROJECT, "71")


def event[D: Data](data: D, id: str = "a" * 64) -> Event[D]:
    return Event(
        id, data, datetime(2026, 11, 23, 23, 59, tzinfo=UTC), "test", CORRELATION, f"00-{'1' * 32}-{'2' * 16}-01"
    )


async def found(resource: dict[str, Any], *, validator: Validator = RULES, outcomes: Outcomes = "none") -> list[Effect]:
    given = Phi[Resource](resource)
    changed = event(Changed(**REFERENCE))
    return list(await validate(changed, given, validator=validator, ids=IDS, doors=DOORS, outcomes=outcomes))


def told(effects: list[Effect]) -> list[Publish]:
    return [one for one in effects if isinstance(one, Publish) and one.topic == "quality.found"]


async def test_of_a_version_without_findings_nobody_is_told() -> None:
    [only] = await found(PULSE, outcomes="task")
    assert isinstance(only, Publish)
    assert only.topic == "fhir.validated"


async def test_warnings_pass_and_each_dataset_gets_its_own_count_after_the_version_went_on() -> None:
    first, *others = await found(ODD)
    assert isinstance(first, Publish)
    assert first.topic == "fhir.validated"
    own, second = told(others)
    assert isinstance(own.data, QualityFound)
    assert isinstance(second.data, QualityFound)
    assert (own.data.errors, own.data.warnings) == ({}, {"heart-rate-unit": 1, "observation-time": 1})
    assert (own.data.project, own.data.resource_type) == ("clinic", "Observation")
    assert (own.data.warnings, own.data.key_id, second.data.key_id) == (second.data.warnings, "k1", "k2")


async def test_nothing_of_the_version_crosses_and_the_two_datasets_can_not_be_joined() -> None:
    own, second = told(await found(ODD))
    for one in (own, second):
        text = f"{one!r} {one.data.model_dump_json()}"
        assert [canary for canary in CANARIES if canary in text] == []
        assert one.ordering_key == ""
    assert len({own.id, second.id, own.correlation, second.correlation}) == 4
    row = OWN[0].pseudonyms
    assert own.id != row.event("a" * 64), "nor with the row of the same version"
    assert own.correlation != row.correlation(CORRELATION)


async def test_a_repeat_is_the_same_finding_and_one_under_other_rules_another() -> None:
    [first, *_], [again, *_] = told(await found(ODD)), told(await found(ODD))
    [other, *_] = told(await found(ODD, validator=Validator("us-core")))
    assert first == again
    assert first.id != other.id


async def test_an_error_is_counted_and_set_aside_by_its_rule_and_goes_on_to_nobody() -> None:
    *others, end = await found(WRONG)
    assert end == SetAside(Code.RESOURCE_INVALID, "Observation.valueQuantity", "heart-rate-bounds")
    assert [one.topic for one in others if isinstance(one, Publish)] == ["quality.found", "quality.found"]
    data = told(others)[0].data
    assert isinstance(data, QualityFound)
    assert (data.errors, data.warnings) == ({"heart-rate-bounds": 1}, {"heart-rate-usual": 1})


async def test_a_type_that_r4_does_not_have_is_named_to_nobody() -> None:
    strange = Changed(**REFERENCE | {"type": "Canary"})
    effects = await validate(event(strange), Phi({"resourceType": "Canary"}), validator=RULES, ids=IDS, doors=DOORS)
    assert effects == [SetAside(Code.RESOURCE_INVALID, "resourceType", "resource-type")]


@pytest.mark.parametrize(("form", "type"), [("task", "Task"), ("audit-event", "AuditEvent")])
async def test_the_outcome_goes_into_medplum_as_the_deployment_wants_it_once_and_without_a_value(
    form: Outcomes, type: str
) -> None:
    [record] = [one for one in await found(ODD, outcomes=form) if isinstance(one, Record)]
    [again] = [one for one in await found(ODD, outcomes=form) if isinstance(one, Record)]
    [other] = [one for one in await found(WRONG, outcomes=form) if isinstance(one, Record)]
    assert record.tag == again.tag != other.tag
    written = json.loads(json.dumps(record.audit_event))
    assert written["resourceType"] == type
    assert [issue for issue in Validator("us-core").issues(written) if issue.severity != "warning"] == []
    [outcome] = written["contained"]
    assert outcome["resourceType"] == "OperationOutcome"
    told = {(one["severity"], one["expression"][0]) for one in outcome["issue"]}
    assert told == {("warning", "Observation.effective"), ("warning", "Observation.valueQuantity")}
    assert "Observation/o-canary/_history/v-canary" in json.dumps(written)
    assert not any(value in json.dumps(written) for value in ("71", "beats", "Canarytext", "p-canary"))


async def test_broken_rules_are_a_metric_by_rule() -> None:
    before = SERIES.numbers.get(RULES_BROKEN.key("heart-rate-unit"), 0)
    await found(ODD)
    assert SERIES.numbers[RULES_BROKEN.key("heart-rate-unit")] == before + 1


FOUND = QualityFound(
    project="clinic",
    key_id="k1",
    resource_type="Observation",
    generation=65536,
    errors={"format": 1},
    warnings={"heart-rate-unit": 2},
)


async def test_beyond_the_door_a_finding_becomes_a_row_for_each_rule_on_the_day_of_the_door() -> None:
    [together] = await tally(event(FOUND), None, releases={("clinic", "k1")})
    assert isinstance(together, Together)
    rows = [one.row for one in together.effects if isinstance(one, Tally)]
    assert [(row.key, row.rule, row.severity, row.findings) for row in rows] == [
        ("a" * 64, "format", "error", 1),
        ("a" * 64, "heart-rate-unit", "warning", 2),
    ]
    assert {row.day for row in rows} == {date(2026, 11, 23)}
    assert rows[1] == replace(rows[0], rule="heart-rate-unit", severity="warning", findings=2)


async def test_findings_of_a_dataset_that_is_not_served_are_refused() -> None:
    with pytest.raises(Problem) as raised:
        await tally(event(FOUND), None, releases={("clinic", "k9")})
    assert raised.value.code is Code.UNKNOWN_PROJECT


def test_a_rule_id_has_a_form_that_holds_no_words() -> None:
    with pytest.raises(ValueError, match="warnings"):
        FOUND.model_validate(FOUND.model_dump() | {"warnings": {"Smith, John": 1}})
