"""Free text: it leaves scrubbed against its patient's record, each look is accounted for, and an outage delays only the text."""

from collections.abc import Sequence
from typing import Any

import pytest

from handlers import deid
from handlers.deid import Prose, deidentify, retext
from shared.deid.text.texts import Texts
from shared.effects import Effect, Publish
from shared.errors import Code, Problem
from shared.events.data import Act, Deidentified, Validated
from shared.events.envelope import Event
from shared.fhir.memory import MemoryFhir
from shared.fhir.records import Records
from shared.phi import Phi
from tests.handlers.test_decisions import DOORS, ERASURES, IDS, PATIENT, event
from tests.tenant import PROJECT

NOTE = "Canaryfamily came with her daughter, Chioma. Dr. Okello agrees."
CONDITION: dict[str, Any] = {
    "resourceType": "Condition",
    "id": "c1",
    "meta": {"versionId": "v2", "lastUpdated": "2026-11-23T10:42:00.000Z", "project": PROJECT},
    "subject": {"reference": "Patient/p1"},
    "note": [{"text": NOTE, "authorString": "Canaryauthor"}],
}


class Outage:
    """A scrubber that is down."""

    async def scrub(self, texts: Sequence[str]) -> Sequence[str]:
        raise Problem(Code.DLP_DOWN, "outage")

    async def close(self) -> None: ...


class SecondReader:
    """A scrubber that marks what it was given."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def scrub(self, texts: Sequence[str]) -> Sequence[str]:
        self.seen += texts
        return [f"{text} (read)" for text in texts]

    async def close(self) -> None: ...


@pytest.fixture
def fhir() -> MemoryFhir:
    fhir = MemoryFhir([PROJECT])
    fhir.put(PROJECT, PATIENT)
    return fhir


@pytest.fixture
def looks() -> list[Act]:
    return []


def _prose(fhir: MemoryFhir, looks: list[Act], scrubber: Outage | SecondReader | None = None) -> Prose:
    return Prose(Records(fhir, IDS, "deid", lambda: 0.0, lambda act, _: looks.append(act)), Texts(scrubber))


def _validated(generation: int = 1 << 16) -> Event[Validated]:
    return event(
        Validated(
            project=PROJECT, type="Condition", id="c1", version="v2", last_updated="2026-11-23T10:42:00.000Z",
            generation=generation, op="write",
        )
    )  # fmt: skip


def _row(effects: Sequence[Effect]) -> Deidentified:
    [row] = [effect.data for effect in effects if isinstance(effect, Publish) and isinstance(effect.data, Deidentified)]
    return row


async def test_a_note_leaves_without_the_names_of_its_patients_record(fhir: MemoryFhir, looks: list[Act]) -> None:
    effects = await deidentify(
        _validated(), Phi(CONDITION), doors=DOORS, ids=IDS, prose=_prose(fhir, looks), erasures=ERASURES
    )
    resource = _row(effects).resource
    assert resource is not None
    assert resource["note"] == [{"text": "[NAME] came with her daughter, [NAME]. Dr. [NAME] agrees."}]
    assert "Canary" not in repr(effects)


async def test_the_look_into_the_patients_record_is_accounted_for_once_however_often_it_is_tried(
    fhir: MemoryFhir, looks: list[Act]
) -> None:
    for _ in range(2):
        await deidentify(
            _validated(), Phi(CONDITION), doors=DOORS, ids=IDS, prose=_prose(fhir, looks), erasures=ERASURES
        )
    assert len({look.event for look in looks}) == 1
    assert (looks[0].type, looks[0].id, looks[0].action) == ("Patient", "p1", "read")


async def test_a_resource_without_free_text_reads_no_record(fhir: MemoryFhir, looks: list[Act]) -> None:
    bare = {name: value for name, value in CONDITION.items() if name != "note"}
    await deidentify(_validated(), Phi(bare), doors=DOORS, ids=IDS, prose=_prose(fhir, looks), erasures=ERASURES)
    assert looks == []


async def test_what_reads_after_the_local_matcher_gets_masked_text_alone(fhir: MemoryFhir, looks: list[Act]) -> None:
    reader = SecondReader()
    effects = await deidentify(
        _validated(), Phi(CONDITION), doors=DOORS, ids=IDS, prose=_prose(fhir, looks, reader), erasures=ERASURES
    )
    assert reader.seen == ["[NAME] came with her daughter, [NAME]. Dr. [NAME] agrees."]
    assert "(read)" in repr(_row(effects).resource)


async def test_while_dlp_is_down_the_row_flows_marked_and_its_text_is_asked_for_again(
    fhir: MemoryFhir, looks: list[Act]
) -> None:
    down = _prose(fhir, looks, Outage())
    effects = await deidentify(_validated(), Phi(CONDITION), doors=DOORS, ids=IDS, prose=down, erasures=ERASURES)
    pending, _ = effects
    assert isinstance(pending, Publish)
    assert pending.topic == deid.PENDING
    assert pending.data == _validated((1 << 16) + 1).data
    row = _row(effects)
    assert row.resource is not None
    assert "note" not in row.resource
    assert row.resource["extension"] == [{"url": "urn:starvit:text-withheld", "valueBoolean": True}]

    with pytest.raises(Problem) as failure:
        await retext(event(pending.data, pending.id), Phi(CONDITION), doors=DOORS, prose=down, erasures=ERASURES)
    assert failure.value.code is Code.DLP_DOWN, "it waits: Pub/Sub delivers again"

    later = _row(
        await retext(
            event(pending.data, pending.id), Phi(CONDITION), doors=DOORS, prose=_prose(fhir, looks), erasures=ERASURES
        )
    )
    assert later.resource is not None
    assert "note" in later.resource
    assert "extension" not in later.resource
    assert (later.key, later.sequence > row.sequence, later.generation) == (row.key, True, row.generation + 1)


async def test_text_that_is_withheld_on_purpose_is_not_asked_for_again() -> None:
    effects = await deidentify(_validated(), Phi(CONDITION), doors=DOORS, ids=IDS, prose=None, erasures=ERASURES)
    assert len(effects) == 1
    assert _row(effects).resource is not None


async def test_without_a_record_patterns_and_names_are_masked_still(looks: list[Act]) -> None:
    nobody = _prose(MemoryFhir([PROJECT]), looks)
    effects = await deidentify(_validated(), Phi(CONDITION), doors=DOORS, ids=IDS, prose=nobody, erasures=ERASURES)
    assert "Chioma" not in repr(effects)
    assert looks == []
