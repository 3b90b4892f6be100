"""Each handler: an event and what was read in, effects out."""

from datetime import UTC, datetime
from typing import Any

import pytest

from handlers import catalog
from handlers.analytics import analyse
from handlers.audit import ON as AUDIT
from handlers.audit import audit, audit_operation
from handlers.deid import deidentify
from handlers.validation import validate
from shared.acting import Sinks
from shared.deid.door import open_doors
from shared.effects import NotErased, Publish, Record, SetAside, Store
from shared.erasures.memory import MemoryErasures
from shared.errors import Code, Problem
from shared.events.data import (
    Accessed,
    Accounted,
    Act,
    Changed,
    Data,
    Deidentified,
    DeletionClaimed,
    OperationAudited,
    Row,
    Validated,
)
from shared.events.envelope import Event
from shared.fhir.audit import Site
from shared.fhir.memory import MemoryFhir
from shared.fhir.port import Deletion, Resource
from shared.fhir.validation import Validator
from shared.identity.event_ids import EventIds
from shared.phi import Phi
from shared.rules import RULES
from shared.sinks.memory import MemoryPublisher
from shared.tenancy import ByProject
from tests.tenant import EVENT_KEY, PROJECT, tenant, tenant_json

IDS = ByProject({PROJECT: EventIds(bytes.fromhex(EVENT_KEY))})
DOORS = ByProject({PROJECT: open_doors(tenant())})
VALIDATOR = Validator()
ERASURES = MemoryErasures()
SITE = Site("https://clinical.example", "https://medplum.example", "https://bigquery.googleapis.com")
CORRELATION = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
REFERENCE: dict[str, Any] = {
    "project": PROJECT,
    "type": "Patient",
    "id": "p1",
    "version": "v1",
    "last_updated": "2026-11-23T10:41:55.279Z",
    "generation": 1 << 16,
}
PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "meta": {"versionId": "v1", "lastUpdated": "2026-11-23T10:41:55.279Z", "project": PROJECT},
    "name": [{"family": "Canaryfamily", "given": ["Canarygiven"]}],
    "gender": "female",
    "birthDate": "1980-02-03",
}


def event[D: Data](data: D, id: str = "a" * 64) -> Event[D]:
    return Event(id, data, datetime(2026, 11, 23, tzinfo=UTC), "test", CORRELATION, f"00-{'1' * 32}-{'2' * 16}-01")


async def test_a_valid_version_goes_on_as_the_same_reference_under_the_same_id() -> None:
    [effect] = await validate(event(Changed(**REFERENCE)), Phi(PATIENT), validator=VALIDATOR, ids=IDS)
    assert isinstance(effect, Publish)
    assert (effect.topic, effect.id) == ("fhir.validated", "a" * 64)
    assert effect.data == Validated(**REFERENCE, op="write")


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        ({"birthDate": "Canarydate"}, "Patient.birthDate"),
        ({"gender": ["female"]}, "Patient.gender"),
        ({"name": {"family": "Canary"}}, "Patient.name"),
    ],
)
async def test_an_invalid_version_is_set_aside_under_a_code_and_a_fhirpath(
    broken: dict[str, object], place: str
) -> None:
    [end] = await validate(event(Changed(**REFERENCE)), Phi(PATIENT | broken), validator=VALIDATOR, ids=IDS)
    assert isinstance(end, SetAside)
    assert (end.code, end.at) == (Code.RESOURCE_INVALID, place)
    assert end.rule in RULES
    assert "Canary" not in repr(end)


async def test_a_confirmed_deletion_gets_its_own_identity_and_the_last_versions_time() -> None:
    claim = DeletionClaimed(project=PROJECT, subscription="clinic", type="Patient", id="p1", generation=1 << 16)
    given = Deletion("v9", "2026-11-23T11:00:00.000Z")
    [first] = await validate(event(claim, "b" * 64), given, validator=VALIDATOR, ids=IDS)
    [second] = await validate(event(claim, "c" * 64), given, validator=VALIDATOR, ids=IDS)
    assert isinstance(first, Publish)
    assert isinstance(second, Publish)
    assert first.id == second.id != "b" * 64, "two claims of one deletion are one change"
    assert isinstance(first.data, Validated)
    assert (first.data.op, first.data.version, first.data.last_updated) == ("delete", "v9", "2026-11-23T11:00:00.000Z")


async def test_a_foreign_project_is_refused_by_every_clinical_handler() -> None:
    foreign = REFERENCE | {"project": "another"}
    with pytest.raises(Problem) as raised:
        await validate(event(Changed(**foreign)), Phi(PATIENT), validator=VALIDATOR, ids=IDS)
    assert raised.value.code is Code.UNKNOWN_PROJECT
    with pytest.raises(Problem) as raised:
        await deidentify(
            event(Validated(**foreign, op="write")), Phi(PATIENT), doors=DOORS, ids=IDS, prose=None, erasures=ERASURES
        )
    assert raised.value.code is Code.UNKNOWN_PROJECT


async def test_a_name_does_not_survive_the_door_and_nothing_joins_back() -> None:
    [effect] = await deidentify(
        event(Validated(**REFERENCE, op="write")), Phi(PATIENT), doors=DOORS, ids=IDS, prose=None, erasures=ERASURES
    )
    assert isinstance(effect, Publish)
    assert isinstance(effect.data, Deidentified)
    assert effect.data.resource is not None
    assert effect.data.resource["gender"] == "female"
    text = repr(effect)
    for gone in ("Canary", "p1'", "v1'", "1980-02", "2026-11-23", "a" * 64, CORRELATION, PROJECT):
        assert gone not in text
    assert effect.correlation not in (None, CORRELATION)
    assert effect.ordering_key == effect.data.key


async def test_the_same_version_makes_the_same_row_however_often_it_comes() -> None:
    rows = [
        await deidentify(
            event(Validated(**REFERENCE, op="write")), Phi(PATIENT), doors=DOORS, ids=IDS, prose=None, erasures=ERASURES
        )
        for _ in range(2)
    ]
    assert rows[0] == rows[1]


async def test_a_deletion_becomes_a_tombstone_that_follows_the_last_version() -> None:
    [write] = await deidentify(
        event(Validated(**REFERENCE, op="write")), Phi(PATIENT), doors=DOORS, ids=IDS, prose=None, erasures=ERASURES
    )
    [gone] = await deidentify(
        event(Validated(**REFERENCE, op="delete")), None, doors=DOORS, ids=IDS, prose=None, erasures=ERASURES
    )
    assert isinstance(write, Publish)
    assert isinstance(gone, Publish)
    assert isinstance(write.data, Deidentified)
    assert isinstance(gone.data, Deidentified)
    assert (gone.data.deleted, gone.data.resource, gone.data.key) == (True, None, write.data.key)
    assert gone.data.sequence > write.data.sequence


async def test_analytics_stores_the_row_before_it_says_so() -> None:
    [made] = await deidentify(
        event(Validated(**REFERENCE, op="write")), Phi(PATIENT), doors=DOORS, ids=IDS, prose=None, erasures=ERASURES
    )
    assert isinstance(made, Publish)
    assert isinstance(made.data, Deidentified)
    store, said = await analyse(event(made.data), None, releases={("clinic", "k1")}, outgoing={})
    assert isinstance(store, Store)
    assert isinstance(said, Publish)
    assert store.row.key == made.data.key
    assert said.topic == "analytics.committed"


async def test_whoever_subscribes_hears_of_a_row_after_the_warehouse_has_it_and_of_its_own_dataset_alone() -> None:
    green = {"dataset": "research", "policy": "expert", "pseudonym_key": "d1" * 32, "key_id": "k2"}
    two = tenant().model_validate(tenant_json() | {"also": [green]})
    doors = ByProject({PROJECT: open_doors(two)})
    written = event(Validated(**REFERENCE, op="write"))
    made = await deidentify(written, Phi(PATIENT), doors=doors, ids=IDS, prose=None, erasures=ERASURES)
    topics = catalog.outgoing([two])
    assert topics == {("clinic", "k1"): "fhir.deidentified.clinic"}
    effects = []
    for one in made:
        assert isinstance(one, Publish)
        assert isinstance(one.data, Deidentified)
        effects.append(
            await analyse(event(one.data), None, releases={("clinic", "k1"), ("clinic", "k2")}, outgoing=topics)
        )
    own, research = effects
    store, _, check, copy = own
    assert isinstance(check, NotErased), "a patient may have been erased meanwhile"
    assert isinstance(store, Store)
    assert isinstance(copy, Publish)
    assert (copy.topic, copy.ordering_key) == ("fhir.deidentified.clinic", store.row.key)
    assert isinstance(copy.data, Row)
    assert dict(copy.data) == dict(store.row.event())
    assert copy.correlation is None, "beyond the door already: the thread goes on"
    assert [type(effect) for effect in research] == [Store, Publish], "the other policy's rows go to no subscriber"


def test_a_tenant_that_wants_no_topic_has_none() -> None:
    assert catalog.outgoing([tenant().model_copy(update={"outgoing": False})]) == {}


async def test_a_row_of_a_tenant_that_is_not_served_here_is_set_aside() -> None:
    [made] = await deidentify(
        event(Validated(**REFERENCE, op="write")), Phi(PATIENT), doors=DOORS, ids=IDS, prose=None, erasures=ERASURES
    )
    assert isinstance(made, Publish)
    assert isinstance(made.data, Deidentified)
    with pytest.raises(Problem) as raised:
        await analyse(event(made.data), None, releases={("other", "k1"), ("clinic", "k2")}, outgoing={})
    assert raised.value.code is Code.UNKNOWN_PROJECT


async def test_an_access_becomes_an_audit_event_that_names_the_version_and_quotes_nothing() -> None:
    accessed = Accessed(
        project=PROJECT,
        type="Patient",
        id="p1",
        version="v1",
        action="vread",
        handler="deid",
        purpose="de-identification",
        at=datetime(2026, 11, 23, 10, 0, tzinfo=UTC),
    )
    [effect] = await audit(event(accessed), None, site=SITE)
    assert isinstance(effect, Record)
    assert (effect.project, effect.tag) == (PROJECT, "a" * 64)
    assert effect.audit_event["entity"][0]["what"] == {"reference": "Patient/p1/_history/v1"}  # type: ignore[index]
    assert effect.audit_event["recorded"] == "2026-11-23T10:00:00.000Z"
    assert not [i for i in VALIDATOR.issues(effect.audit_event) if i.severity in ("error", "fatal")]
    assert "p1" not in repr(effect), "a record names a FHIR id, so it has no text form"


def _act(number: int) -> Act:
    return Act(
        event=f"{number:064x}",
        correlation=f"00000000-0000-4000-8000-{number:012x}",
        type="Patient",
        id=f"p{number}",
        version="v1",
        patient=f"p{number}",
        action="vread",
        handler="deid",
        purpose="de-identification",
        at=datetime(2026, 11, 23, 10, 0, tzinfo=UTC),
        disclosure=None,
    )


async def test_accesses_that_travel_together_become_an_audit_event_each_under_their_own_names_and_threads() -> None:
    [together] = await audit(event(Accounted(project=PROJECT, acts=(_act(1), _act(2)))), None, site=SITE)
    fhir, publisher = MemoryFhir([PROJECT]), MemoryPublisher()
    sinks = Sinks(publisher, lambda: 0.0, auditor=fhir)
    await sinks.apply(together, AUDIT, event(Accounted(project=PROJECT, acts=(_act(1),))))
    assert set(fhir.audits[PROJECT]) == {_act(1).event, _act(2).event}
    for number in (1, 2):
        written = fhir.audits[PROJECT][_act(number).event]
        assert written["entity"][1]["what"] == {"reference": f"Patient/p{number}/_history/v1"}  # type: ignore[index]
        assert _act(number).correlation in str(written["extension"])
    assert not publisher.published


async def test_an_audit_event_that_is_refused_for_good_goes_aside_alone_and_the_others_are_written() -> None:
    class Picky(MemoryFhir):
        async def create_once(self, project: str, tag: str, audit_event: Resource) -> bool:
            if tag == _act(2).event:
                raise Problem(Code.AUDIT_REFUSED, "AuditEvent")
            return await super().create_once(project, tag, audit_event)

    fhir, publisher = Picky([PROJECT]), MemoryPublisher()
    sinks = Sinks(publisher, lambda: 0.0, auditor=fhir)
    both = event(Accounted(project=PROJECT, acts=(_act(1), _act(2), _act(3))))
    for effect in await audit(both, None, site=SITE):
        await sinks.apply(effect, AUDIT, both)
    assert set(fhir.audits[PROJECT]) == {_act(1).event, _act(3).event}
    [(topic, message)] = publisher.published
    assert (topic, message.attributes["ce-id"]) == (AUDIT.topic, _act(2).event)
    alone = Accounted.model_validate_json(message.data)
    assert alone == Accounted(project=PROJECT, acts=(_act(2),))
    [effect] = await audit(event(alone), None, site=SITE)
    with pytest.raises(Problem) as raised:
        await sinks.apply(effect, AUDIT, event(alone))
    assert raised.value.code is Code.AUDIT_REFUSED, "alone, it is set aside as any message is, and is replayed as any"


async def test_a_quota_that_is_spent_sends_the_whole_company_back_to_the_topic() -> None:
    fhir = MemoryFhir([PROJECT])
    sinks = Sinks(MemoryPublisher(), lambda: 0.0, auditor=fhir)
    both = event(Accounted(project=PROJECT, acts=(_act(1), _act(2))))
    [together] = await audit(both, None, site=SITE)
    fhir.fail(Code.MEDPLUM_BUSY, retry_after=42.0)
    with pytest.raises(Problem) as raised:
        await sinks.apply(together, AUDIT, both)
    assert (raised.value.code, raised.value.retry_after) == (Code.MEDPLUM_BUSY, 42.0)
    await sinks.apply(together, AUDIT, both)
    assert len(fhir.audits[PROJECT]) == 2, "the one that was written was found by its tag"


def _operation(project: str) -> OperationAudited:
    return OperationAudited(
        project=project,
        action="replay",
        stage="begun",
        plan="c5" * 16,
        messages=12,
        by="ann@clinic.example",
        reason="INC-12: limit raised",
        outcome="",
        at=datetime(2026, 11, 23, 10, tzinfo=UTC),
    )


async def test_an_operators_replay_stands_in_the_record_of_the_tenant_whose_events_it_moved() -> None:
    projects = {"clinic": PROJECT, "north": "north-project"}
    [effect] = await audit_operation(event(_operation("clinic")), None, projects=projects)
    assert isinstance(effect, Record)
    assert effect.project == PROJECT
    assert effect.audit_event["agent"][0]["altId"] == "ann@clinic.example"  # type: ignore[index]
    assert {"type": "reason", "valueString": "INC-12: limit raised"} in effect.audit_event["entity"][0]["detail"]  # type: ignore[index]
    assert not [i for i in VALIDATOR.issues(effect.audit_event) if i.severity in ("error", "fatal")]


async def test_a_replay_that_names_no_tenant_stands_in_everyones_record_and_a_strangers_in_none() -> None:
    projects = {"clinic": PROJECT, "north": "north-project"}
    effects = await audit_operation(event(_operation("-")), None, projects=projects)
    assert {effect.project for effect in effects if isinstance(effect, Record)} == set(projects.values())
    with pytest.raises(Problem) as refused:
        await audit_operation(event(_operation("stranger")), None, projects=projects)
    assert refused.value.code is Code.UNKNOWN_PROJECT
