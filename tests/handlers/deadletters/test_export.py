"""A copy of the dead letters' records is an act that each tenant's record tells of, or it is not made."""

from contextlib import aclosing
from typing import Any

import orjson
import pytest

from handlers.audit import audit_operation
from handlers.deadletters.choosing import Filter
from shared.effects import Record
from shared.errors import Code, Problem
from shared.events.data import DATA, OperationExported
from shared.events.envelope import Event, Message
from shared.fhir.validation import Validator
from tests.handlers.deadletters.house import House, house
from tests.handlers.deadletters.test_replay import refused
from tests.tenant import PROJECT

WHY, ANY = "INC-12: for the vendor", Filter()
VALIDATOR = Validator()


def told(made: House) -> list[Any]:
    return [orjson.loads(message.data) for topic, message in made.published if topic == "ops.audit"]


async def copied(made: House, chosen: Filter = ANY, *, reason: str = WHY) -> list[str | None]:
    async with aclosing(made.desk.export(chosen, "ann", reason)) as pages:
        return [one.event async for page in pages for one in page]


async def test_who_copies_the_records_and_why_is_told_before_the_first_line_and_after_the_last() -> None:
    async with house() as made:
        entries = [*await made.quarantine(3), *await made.dead()]
        async with aclosing(made.desk.export(Filter(), "ann", WHY)) as pages:
            first = await anext(pages)
            assert [(one["stage"], one["messages"]) for one in told(made)] == [("begun", 0)]
            assert len(first) == 4
            assert [page async for page in pages] == []
        begun, ended = told(made)
        assert begun["plan"] == ended["plan"]
        assert (ended["action"], ended["messages"], ended["outcome"]) == ("export", len(entries), "done")
        assert {(one["project"], one["by"], one["reason"]) for one in (begun, ended)} == {("clinic", "ann", WHY)}


async def test_the_copy_has_what_meets_the_filter_and_a_copy_of_nothing_is_nobodys() -> None:
    async with house() as made:
        await made.quarantine(2)
        [dead] = await made.dead()
        assert await copied(made, Filter(code="dead-letter")) == [dead.event]
        assert told(made)[-1]["messages"] == 1
        before = len(told(made))
        assert await copied(made, Filter(handler="graph")) == []
        assert len(told(made)) == before


async def test_no_line_is_given_out_where_the_record_can_not_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with house() as made:
        await made.quarantine(2)

        async def down(topic: str, message: Message) -> None:
            raise Problem(Code.PUBSUB_DOWN, topic)

        monkeypatch.setattr(made.desk.publisher, "publish", down)
        async with aclosing(made.desk.export(Filter(), "ann", WHY)) as pages:
            with pytest.raises(Problem) as raised:
                await anext(pages)
        assert raised.value.code is Code.PUBSUB_DOWN


async def test_a_copy_that_breaks_off_says_so_with_what_was_given_out() -> None:
    async with house() as made:
        await made.quarantine(2)
        async with aclosing(made.desk.export(Filter(), "ann", WHY)) as pages:
            await anext(pages)
        assert [(one["stage"], one["messages"], one["outcome"]) for one in told(made)] == [
            ("begun", 0, ""),
            ("ended", 2, "stopped"),
        ]


async def test_a_reason_that_may_name_a_patient_is_refused_before_anything_is_given_out() -> None:
    async with house() as made:
        await made.quarantine()
        with refused("reason"):
            await copied(made, reason="MRN 12345678")
        assert told(made) == []


async def test_each_account_becomes_an_audit_event_that_is_r4_in_the_tenants_medplum() -> None:
    async with house() as made:
        await made.quarantine()
        await copied(made)
        sent = [message for topic, message in made.published if topic == "ops.audit"]
        assert {message.attributes["ce-type"] for message in sent} == {OperationExported.TYPE}
        assert len({message.attributes["ce-id"] for message in sent}) == 2, "begin and end have each its own id"
        for message in sent:
            data = DATA[OperationExported.TYPE].model_validate_json(message.data)
            assert isinstance(data, OperationExported)
            event = Event(message.attributes["ce-id"], data, data.at, "ops", "c", "")
            [effect] = await audit_operation(event, None, projects={"clinic": PROJECT})
            assert isinstance(effect, Record)
            assert (effect.project, effect.audit_event["action"]) == (PROJECT, "R")
            assert not [i for i in VALIDATOR.issues(effect.audit_event) if i.severity in ("error", "fatal")]
