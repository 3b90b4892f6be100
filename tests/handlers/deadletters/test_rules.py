"""What a rule set aside: the record names the rule, and a replay is validated by the rules of the day on which it comes."""

import json
import time
from collections.abc import AsyncIterator
from copy import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from handlers.deadletters.records import Delivered, entry_of, meaning, origin_of
from handlers.validation import validate
from shared import egress
from shared.accounts import Accounts
from shared.acting import Sinks
from shared.errors import Code
from shared.events.data import Changed, Quarantined, RuleBroken
from shared.events.envelope import Event, Message
from shared.fhir.memory import MemoryFhir
from shared.fhir.reading import Reading
from shared.fhir.validation import Rules, Validator
from shared.fhir.validation.rules import FOLDER, load
from shared.head import Head
from shared.identity.event_ids import EventIds
from shared.identity.keys import SigningKeys
from shared.identity.push import PushTokens
from shared.ledger.memory import MemoryLedger
from shared.ledger.port import State
from shared.local.issuer import Issuer
from shared.pipeline import Answer, Pipeline
from shared.sinks.memory import MemoryPublisher
from shared.tenancy import ByProject
from tests.handlers.deadletters.house import house, quarantined, reference
from tests.tenant import EVENT_KEY, PROJECT, settings

IDS = ByProject({PROJECT: EventIds(bytes.fromhex(EVENT_KEY))})
HOT = {
    "resourceType": "Observation",
    "id": "o1",
    "meta": {"versionId": "v1", "lastUpdated": "2026-11-23T10:41:55.279Z", "project": PROJECT},
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "8310-5"}]},
    "valueQuantity": {"value": 98.6, "system": "http://unitsofmeasure.org", "code": "Cel"},
}
RULE = "body-temperature-bounds"


class Clinic:
    """Validation with everything real but the cloud; `pushed` brings it a message, as Pub/Sub does."""

    def __init__(self, issuer: Issuer, keys: SigningKeys) -> None:
        self.issuer, self.ledger, self.publisher, self.fhir = (
            issuer,
            MemoryLedger(),
            MemoryPublisher(),
            MemoryFhir([PROJECT]),
        )
        self.settings = settings("clinical")
        self.pipeline = Pipeline(
            self.settings,
            tokens=PushTokens(keys, self.settings.oidc_issuers, time.time),
            ledger=self.ledger,
            sinks=Sinks(self.publisher, time.time),
            accounts=Accounts(self.publisher, time.time),
            owner="test",
            now=time.time,
        )

    async def pushed(self, message: Message, validator: Validator) -> Answer:
        token = self.issuer.token(self.settings.account("validation"), self.settings.audience("validation"))
        headers = {"authorization": f"Bearer {token}", **{n.lower(): v for n, v in message.attributes.items()}}
        read = Reading(self.fhir, IDS, "validation", "validation", time.time).read()
        route = validate.bind(read, validator=validator, ids=IDS)
        head = Head([(n.encode(), v.encode()) for n, v in headers.items()])
        return await self.pipeline.run(route, head, message.data)

    def published(self, topic: str) -> list[Message]:
        return [message for to, message in self.publisher.published if to == topic]


@pytest.fixture
async def clinic() -> AsyncIterator[Clinic]:
    issuer = Issuer()
    url = await issuer.serve("127.0.0.1", 0)
    async with egress.client({"127.0.0.1"}, timeout=5, local=True) as http:
        keys = SigningKeys(url, http, time.time)
        await keys.start()
        yield Clinic(issuer, keys)
        await keys.stop()
        await issuer.stop()


def _changed(rules: Path, at: Path) -> Validator:
    """The rules after somebody found that this clinic charts in another unit, and changed one."""
    for path in rules.glob("*.toml"):
        text = path.read_text()
        (at / path.name).write_text(text.replace('"Cel" = [10, 50]', '"Cel" = [10, 130]'))
    return Validator(Rules(load("default", at)))


async def test_what_a_rule_set_aside_passes_when_it_is_replayed_after_the_rule_was_changed(
    clinic: Clinic, tmp_path: Path
) -> None:
    changed = Changed(**{**dict(clinic.fhir.put(PROJECT, HOT)), "generation": 1 << 16})
    event = Event(
        "a" * 64,
        changed,
        datetime.now(UTC),
        "webhook",
        "3fa85f64-5717-4562-b3fc-2c963f66afa6",
        f"00-{1:032x}-{2:016x}-01",
    )
    assert (await clinic.pushed(event.message(), Validator("default"))).status == 204
    [aside] = clinic.published("validation.quarantine")
    entry = entry_of(Delivered("validation.quarantine", "1", "2026-11-23T10:00:00.000Z", aside), {PROJECT: "clinic"})
    assert (entry.code, entry.rule, entry.at) == ("resource-invalid", RULE, "Observation.valueQuantity")
    assert aside.attributes["ce-type"] == RuleBroken.TYPE

    again = origin_of("validation.quarantine", aside)
    assert again is not None
    assert (await clinic.pushed(again, Validator("default"))).duplicate, "poison stays poison until it is reopened"
    assert await clinic.ledger.reopen(entry.key, now=time.time())
    assert (await clinic.pushed(again, Validator("default"))).status == 204
    assert len(clinic.published("validation.quarantine")) == 2, "under the same rules it comes back"

    assert await clinic.ledger.reopen(entry.key, now=time.time())
    assert await clinic.pushed(again, _changed(FOLDER, tmp_path)) == Answer()
    [passed] = clinic.published("fhir.validated")
    assert passed.attributes["ce-id"] == event.id
    record = await clinic.ledger.get(entry.key)
    assert record is not None
    assert record.state is State.DONE


async def test_the_desk_says_which_rule_and_what_it_means() -> None:
    async with house() as made:
        event = replace(reference("b" * 64, "Observation"), id="b" * 64)
        whole = json.loads(quarantined("validation", Code.RESOURCE_INVALID, event).data)
        data = RuleBroken.model_validate_json(json.dumps(whole | {"rule": RULE}))
        message = Event(
            event.id, data, event.time, "validation", event.correlation, event.traceparent, "e" * 64
        ).message()
        [entry] = await made.put("validation.quarantine", [message])
        life = await made.desk.event(event.id)
    assert life is not None
    assert (entry.rule, life.entries[0].rule) == (RULE, RULE)
    assert life.meaning.endswith(f"Rule {RULE}: Body temperature is outside of what a human body has.")


@pytest.mark.parametrize("rule", ["smith-john", "canary"])
def test_a_rule_that_is_none_of_ours_is_not_shown(rule: str) -> None:
    event = reference("c" * 64, "Observation")
    whole = json.loads(quarantined("validation", Code.RESOURCE_INVALID, event).data)
    data = RuleBroken.model_validate_json(json.dumps(whole | {"rule": rule}))
    message = Event(event.id, data, event.time, "validation", event.correlation, event.traceparent, "").message()
    entry = entry_of(Delivered("validation.quarantine", "1", "2026-11-23T10:00:00.000Z", message), {PROJECT: "clinic"})
    assert (entry.rule, entry.code, entry.replayable) == ("", "resource-invalid", True)
    assert rule not in meaning(entry.code, entry.rule)


def test_a_message_of_before_rules_were_named_is_read_still() -> None:
    message = quarantined("validation", Code.RESOURCE_INVALID, reference("d" * 64, "Patient"))
    assert message.attributes["ce-type"] == Quarantined.TYPE
    entry = entry_of(Delivered("validation.quarantine", "1", "2026-11-23T10:00:00.000Z", message), {PROJECT: "clinic"})
    assert (entry.rule, entry.at) == ("", "Patient.birthDate")
