"""To be forgotten: the order, what the clinical zone makes of it, what the door lets out afterwards, and the rounds."""

import asyncio
import json
from collections.abc import Sequence
from copy import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from handlers import cli
from handlers.analytics import ON, analyse, patients_rows
from handlers.deid import deidentify, retext
from handlers.erase import erase
from handlers.erasures.orders import Order, Orders, told
from handlers.reconcile.compare import Standing, standing
from shared.acting import Sinks
from shared.deid.door import open_doors
from shared.deid.row import ERASED, LAST, erased, patients
from shared.effects import Prove, Publish, Purge, Record, Supersede, Suppress, Together
from shared.erasures.memory import MemoryErasures
from shared.erasures.port import Found, Proof
from shared.erasures.sqlite import SqliteErasures
from shared.errors import Code, Problem
from shared.events.data import Deidentified, Erasure, ErasureOrdered, Row, Validated
from shared.events.envelope import Message
from shared.phi import Phi
from shared.settings import Tenant
from shared.sinks.keys import KeyRow
from shared.sinks.memory import MemoryPublisher
from shared.sinks.sequence import is_one, padded
from tests.contracts.test_erasures import PROOF
from tests.handlers.test_decisions import CORRELATION, DOORS, IDS, PATIENT, REFERENCE, VALIDATOR, event
from tests.handlers.test_releases import GREEN
from tests.rows import ROW
from tests.shared.test_erasing_interleaved import ERASURE
from tests.tenant import PROJECT, tenant_json

AT = datetime(2026, 11, 24, 10, tzinfo=UTC)
ID = "p1-canary"
ORDERED = ErasureOrdered(
    project="clinic", patient=ID, order="6e" * 16, round=1, dry_run=False, by="ann", reason="request 12", at=AT
)
TENANTS = {"clinic": DOORS[PROJECT]}
PROJECTS = {"clinic": PROJECT}
SUBJECT = DOORS[PROJECT][0].pseudonyms.id("Patient", "p1")
CONDITION = {"resourceType": "Condition", "id": "c1", "meta": PATIENT["meta"], "subject": {"reference": "Patient/p1"}}


def _validated(type: str, id: str, op: Any = "write") -> Any:
    return event(Validated(**REFERENCE | {"type": type, "id": id}, op=op))


async def test_an_order_bars_the_door_first_and_then_tells_each_dataset_under_its_own_pseudonym() -> None:
    both = open_doors(Tenant.model_validate(tenant_json() | {"also": [GREEN]}))
    effects = await erase(event(ORDERED), None, doors={"clinic": both}, projects=PROJECTS)
    blue, blue_said, green, green_said, record = effects
    assert isinstance(blue, Suppress)
    assert isinstance(green, Suppress)
    assert isinstance(blue_said, Publish)
    assert isinstance(green_said, Publish)
    assert isinstance(blue_said.data, Erasure)
    assert isinstance(green_said.data, Erasure)
    assert (blue.patient, green.patient) == (blue_said.data.patient, green_said.data.patient)
    assert blue.patient == both[0].pseudonyms.id("Patient", ID)
    assert len({blue.patient, green.patient}) == len({blue_said.id, green_said.id}) == 2
    assert (blue_said.topic, blue_said.data.datasets, blue_said.data.policy) == ("fhir.deidentified", 2, "safe-harbor")
    for said in (blue_said, green_said):
        assert ID not in repr(said)
        assert said.correlation not in (None, CORRELATION)
        assert "a" * 64 not in repr(said)
    assert isinstance(record, Record)
    assert ID not in repr(record)
    assert record.audit_event["entity"][0]["what"] == {"reference": f"Patient/{ID}"}  # type: ignore[index]
    assert not [i for i in VALIDATOR.issues(record.audit_event) if i.severity in ("error", "fatal")]


async def test_a_dry_run_bars_nothing_and_is_no_erasure_in_the_record_and_later_rounds_are_in_it_once() -> None:
    dry = ORDERED.model_copy(update={"dry_run": True})
    [said] = await erase(event(dry), None, doors=TENANTS, projects=PROJECTS)
    assert isinstance(said, Publish)
    second = ORDERED.model_copy(update={"round": 2})
    effects = await erase(event(second), None, doors=TENANTS, projects=PROJECTS)
    assert [type(effect) for effect in effects] == [Suppress, Publish]


async def test_an_order_for_a_tenant_that_nobody_knows_is_set_aside() -> None:
    with pytest.raises(Problem) as refused:
        await erase(event(ORDERED.model_copy(update={"project": "west"})), None, doors=TENANTS, projects=PROJECTS)
    assert refused.value.code is Code.UNKNOWN_PROJECT


def test_the_ledger_keeps_no_hash_of_the_patients_id() -> None:
    other = ORDERED.model_copy(update={"patient": "p2"})
    assert ORDERED.identity() == other.identity()
    assert ORDERED.identity() != ORDERED.model_copy(update={"round": 2}).identity()


@pytest.mark.parametrize(
    ("reference", "resource"),
    [
        (_validated("Patient", "p1"), PATIENT),
        (_validated("Condition", "c1"), CONDITION),
        (_validated("Patient", "p1", "delete"), None),
    ],
)
async def test_of_an_erased_patient_only_an_empty_key_leaves_the_same_each_time(reference: Any, resource: Any) -> None:
    erasures = MemoryErasures()
    await erasures.suppress("clinic", "k1", SUBJECT)
    given = None if resource is None else Phi(resource)
    said, end = await deidentify(reference, given, doors=DOORS, ids=IDS, prose=None, erasures=erasures)
    assert end == Supersede(Code.ERASED, "patient")
    assert isinstance(said, Publish)
    assert isinstance(said.data, Deidentified)
    assert (said.data.deleted, said.data.resource, said.data.sequence, said.data.version) == (True, None, LAST, ERASED)
    newer = replace(reference, data=reference.data.model_copy(update={"version": "v2"}), id="b" * 64)
    again, _ = await retext(newer, given, doors=DOORS, prose=None, erasures=erasures)
    assert isinstance(again, Publish)
    assert (again.id, again.data) == (said.id, said.data), "so it is a duplicate, and nothing to anyone"


async def test_of_everybody_else_all_leaves_as_before() -> None:
    erasures = MemoryErasures()
    await erasures.suppress("clinic", "k1", "f" * 32)
    [said] = await deidentify(
        _validated("Condition", "c1"), Phi(CONDITION), doors=DOORS, ids=IDS, prose=None, erasures=erasures
    )
    assert isinstance(said, Publish)
    assert isinstance(said.data, Deidentified)
    assert said.data.resource is not None


def test_nothing_ever_wins_over_an_erasure() -> None:
    assert is_one(LAST)
    row = DOORS[PROJECT][0].row(Validated(**REFERENCE | {"generation": 2**16}, op="delete"), None)
    assert padded(row.sequence) < padded(LAST)
    late = DOORS[PROJECT][0].row(
        Validated(**REFERENCE | {"last_updated": "9999-12-31T23:59:59.999Z", "generation": 2**16}, op="delete"), None
    )
    assert padded(late.sequence) < padded(LAST)
    assert late.sequence < LAST, "and as a text, which is how the change log is read"


def test_a_row_names_its_patients_wherever_they_stand() -> None:
    name, other = "a1" * 16, "b2" * 16
    members = [{"entity": {"reference": f"Patient/{one}"}} for one in (name, other)]
    deep: dict[str, object] = {"resourceType": "Group", "member": members}
    assert patients(replace(ROW, resource_type="Group", resource=deep)) == {name, other}
    assert patients(replace(ROW, key=name, resource={"resourceType": "Patient"})) == {name}
    assert patients(replace(ROW, resource_type="Group", resource={"x": {"reference": f"Group/{name}"}})) == frozenset()
    assert patients(erased("Condition", name, ROW)) == frozenset()


async def test_analytics_buries_before_it_purges_and_tells_the_graph_before_it_proves() -> None:
    found = Found((("Patient", "a1" * 16), ("Condition", f"{2:032x}")), {"current_rows": 2})
    effects = await analyse(event(ERASURE), found, releases={("north", "k1")}, outgoing={})
    tombstones, purge, told_of, prove = effects
    assert isinstance(tombstones, Together)
    assert isinstance(told_of, Together)
    assert purge == Purge("north", "k1", ("a1" * 16, f"{2:032x}"))
    assert prove == Prove(ERASURE, found)
    ids = {effect.id for effect in told_of.effects if isinstance(effect, Publish)}
    assert len(ids) == 2
    assert all(len(id) == 64 for id in ids)
    [only] = await analyse(
        event(ERASURE.model_copy(update={"dry_run": True})), found, releases={("north", "k1")}, outgoing={}
    )
    assert isinstance(only, Prove)


async def test_an_erasure_of_a_dataset_that_is_not_served_here_is_not_even_looked_for() -> None:
    async def find(_: Erasure) -> Found:
        raise AssertionError

    strange = event(ERASURE.model_copy(update={"key_id": "k9"}))
    given = await patients_rows(find, {("north", "k1")}).fetch(strange)
    with pytest.raises(Problem) as refused:
        await analyse(strange, given, releases={("north", "k1")}, outgoing={})
    assert refused.value.code is Code.UNKNOWN_PROJECT


def test_reconcile_misses_nothing_of_an_erased_key() -> None:
    row = KeyRow("a1" * 16, LAST, ERASED, 2**48 - 1, deleted=True)
    assert standing(row, "any version") is Standing.ERASED
    assert standing(row, ERASED, generation=2**47) is Standing.ERASED


class _Answering(MemoryPublisher):
    """The other zones: each round is answered by both datasets, the first `full` of them with something found."""

    def __init__(self, erasures: MemoryErasures, full: int, datasets: int = 2) -> None:
        super().__init__()
        self._erasures, self._full, self._datasets = erasures, full, datasets

    async def publish(self, topic: str, message: Message) -> None:
        await super().publish(topic, message)
        said = json.loads(message.data)
        nothing = {"current_rows": 0}
        for number in range(self._datasets if topic == "privacy.erase" else 0):
            before = {"current_rows": 3} if said["round"] <= self._full else nothing
            more = {"order": said["order"], "round": said["round"], "key_id": f"k{number}", "dry_run": said["dryRun"]}
            await self._erasures.prove(replace(PROOF, before=before, after=nothing, **more))


async def _rounds(publisher: _Answering, erasures: MemoryErasures, **changed: Any) -> list[Sequence[Proof]]:
    clock = [0.0]

    async def sleep(seconds: float) -> None:
        clock[0] += seconds

    order = replace(Order("clinic", ID, "ann", "request 12", False, "6e" * 16, AT), **changed)
    orders = Orders(publisher, erasures, lambda: clock[0], sleep)
    return [proofs async for proofs in orders.carry_out(order, 60)]


async def test_rounds_go_on_until_one_finds_nothing_and_the_record_has_the_beginning_and_the_end() -> None:
    erasures = MemoryErasures()
    publisher = _Answering(erasures, full=2)
    rounds = await _rounds(publisher, erasures)
    assert [[proof.empty for proof in proofs] for proofs in rounds] == [[False] * 2, [False] * 2, [True] * 2]
    topics = [topic for topic, _ in publisher.published]
    assert topics == ["ops.audit", "privacy.erase", "privacy.erase", "privacy.erase", "ops.audit"]
    ended = json.loads(publisher.published[-1][1].data)
    assert (ended["action"], ended["stage"], ended["outcome"], ended["messages"]) == ("erase", "ended", "done", 10)
    ids = [message.attributes["ce-id"] for _, message in publisher.published]
    assert len(set(ids)) == len(ids)
    for topic, message in publisher.published:
        assert ID not in repr(message.attributes) + message.ordering_key
        assert (ID.encode() in message.data) is (topic == "privacy.erase")


async def test_an_order_that_is_not_answered_ends_as_stopped_and_a_dry_run_is_one_round_without_a_record() -> None:
    erasures = MemoryErasures()
    silent = _Answering(erasures, full=0, datasets=0)
    assert await _rounds(silent, erasures) == []
    assert json.loads(silent.published[-1][1].data)["outcome"] == "stopped"
    dry = _Answering(erasures, full=9)
    assert len(await _rounds(dry, erasures, dry_run=True, id="7a" * 16)) == 1
    assert [topic for topic, _ in dry.published] == ["privacy.erase"]


def test_the_proof_says_until_when_the_last_bytes_can_be_had() -> None:
    until = told(PROOF)["old_bytes_until"]
    assert until == {
        "time_travel": "2026-12-01T10:00:03+00:00",
        "fail_safe": "2026-12-08T10:00:03+00:00",
        "pubsub": "2026-12-25T10:00:03+00:00",
    }
    assert ID not in json.dumps(told(PROOF))


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["--project", "clinic", "--patient", ID, "--by", "ann"],
        ["--project", "clinic", "--patient", "Patient/1", "--by", "ann", "--reason", "request 12"],
        ["--project", "clinic", "--patient", ID, "--by", "ann", "--reason", "born 1980-02-03"],
        ["show"],
        ["show", "everything"],
    ],
)
def test_wrong_usage_is_said_without_a_word_of_whom_it_was_about(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["erase", *wrong]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("erase: ")
    assert not said.out
    for secret in (ID, "Patient/1", "1980"):
        assert secret not in said.err


async def test_an_order_is_shown_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STARVIT_LEDGER", f"sqlite:{tmp_path / 'ledger'}")
    store = SqliteErasures(tmp_path / "ledger.erasures")
    nothing = {"current_rows": 0, "graph": 0}
    await store.prove(PROOF)
    await store.prove(replace(PROOF, round=2, before=nothing, after=nothing, datasets=1))
    await store.close()
    assert await asyncio.to_thread(cli.main, ["erase", "show", PROOF.order]) == 0
    said = capsys.readouterr().out
    assert "nothing left" in said
    assert "current_rows" in said
    assert await asyncio.to_thread(cli.main, ["erase", "show", "0" * 32]) == 1


async def test_who_subscribes_hears_of_an_erasure_and_never_of_a_row_of_an_erased_patient() -> None:
    outgoing = {("north", "k1"): "fhir.deidentified.north"}
    found = Found((("Patient", "a1" * 16),), {})
    effects = await analyse(event(ERASURE), found, releases={("north", "k1")}, outgoing=outgoing)
    copies = [one for effect in effects if isinstance(effect, Together) for one in effect.effects]
    [copy] = [one for one in copies if isinstance(one, Publish) and one.topic == "fhir.deidentified.north"]
    assert isinstance(copy.data, Row)
    assert (copy.data.deleted, copy.data.sequence, copy.data.resource) == (True, LAST, None)

    row = replace(ROW, key="a1" * 16)
    erasures, publisher = MemoryErasures(), MemoryPublisher()
    sinks = Sinks(publisher, lambda: 0.0, erasures=erasures)
    await erasures.suppress("north", "k1", row.key)
    effects = await analyse(event(row.event()), None, releases={("north", "k1")}, outgoing=outgoing)
    _, committed, check, _ = effects
    await sinks.apply(committed, ON, event(row.event()))
    with pytest.raises(Problem) as barred:
        await sinks.apply(check, ON, event(row.event()))
    assert barred.value.code is Code.ERASED
    assert [topic for topic, _ in publisher.published] == ["analytics.committed"], "the graph hears, nobody else"
