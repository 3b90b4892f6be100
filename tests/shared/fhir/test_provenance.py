"""What a release is made of stands in the tenant's Medplum once: R4, by policy, hash and key, and naming nobody."""

from datetime import UTC, datetime, timedelta

from handlers.audit import ON as AUDIT
from handlers.audit import audit
from handlers.audited import act
from shared.acting import Sinks
from shared.effects import Record
from shared.events.data import Accounted, Act, Disclosure
from shared.events.envelope import Event
from shared.fhir.memory import MemoryFhir
from shared.fhir.provenance import RELEASE, provenance, tag_of
from shared.fhir.validation import Validator
from shared.sinks.memory import MemoryPublisher
from tests.shared.fhir.test_audit import SITE, TO, TRACE

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
PROJECT = "5f0d3f9c-2c5e-4c0b-9a55-c11a1c0de001"
CHANGED = TO.model_copy(update={"policy_hash": "c4" * 16})
ROTATED = TO.model_copy(update={"key_id": "k2"})


def test_it_is_r4_and_says_policy_hash_key_and_release_and_no_resource() -> None:
    made = provenance(TO, AT)
    assert [issue for issue in Validator().issues(made) if issue.severity in ("error", "fatal")] == []
    assert made["target"] == [{"identifier": {"system": RELEASE, "value": f"clinic/k1/{TO.policy_hash}"}}]
    assert made["policy"] == ["urn:starvit:policy:safe-harbor"]
    assert '"reference"' not in str(made).replace("'", '"')


def test_another_state_of_the_policy_or_another_key_is_another_release() -> None:
    others = (TO.model_copy(update={"tenant": "north"}), TO.model_copy(update={"policy": "expert"}))
    assert len({tag_of(one) for one in (TO, CHANGED, ROTATED, *others)}) == 5


def acts(*to: Disclosure) -> Event[Accounted]:
    made = tuple(
        Act.model_validate(
            act("disclose", disclosure=one).model_dump() | {"event": f"{n:064x}", "at": AT + timedelta(seconds=n)}
        )
        for n, one in enumerate(to)
    )
    return Event("a" * 64, Accounted(project=PROJECT, acts=made), AT, "deid", TRACE, "")


async def test_the_first_rows_of_a_release_leave_one_provenance_and_later_ones_leave_it_as_it_was() -> None:
    fhir = MemoryFhir([PROJECT])
    sinks = Sinks(MemoryPublisher(), lambda: 0.0, auditor=fhir)
    for company in (acts(TO, TO, ROTATED), acts(TO), acts(CHANGED, TO)):
        for effect in await audit(company, None, site=SITE):
            await sinks.apply(effect, AUDIT, company)
    assert set(fhir.provenances[PROJECT]) == {tag_of(one) for one in (TO, CHANGED, ROTATED)}
    assert fhir.provenances[PROJECT][tag_of(TO)]["recorded"] == "2026-11-23T10:00:00.000Z"


async def test_reads_and_ends_that_are_told_make_no_release() -> None:
    for one in (act("vread"), act("delete", disclosure=TO)):
        event = Event("a" * 64, Accounted(project=PROJECT, acts=(one,)), AT, "deid", TRACE, "")
        [record] = await audit(event, None, site=SITE)
        assert isinstance(record, Record)
        assert record.audit_event["resourceType"] == "AuditEvent"
