"""The contract of the FHIR ports, on the memory twin and on the client against a Medplum over HTTP."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest

from shared.errors import Code, Problem
from shared.events.data import Reference
from shared.fhir.port import Deletion
from tests.contracts.fhir_worlds import AUDIT, LIMIT, OTHER, PROJECT, TASK, MemoryWorld, World, claim, over_http

PATIENT = {"resourceType": "Patient", "gender": "female", "name": [{"family": "Müller"}]}


@pytest.fixture(params=["memory", "http"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "memory":
        yield MemoryWorld()
        return
    async with over_http() as world:
        yield world


async def test_a_version_is_read_back_and_has_no_text_form(world: World) -> None:
    reference = world.write(PATIENT)
    resource = await world.reader.version(reference)
    assert "Müller" not in f"{resource} {resource!r}"
    assert resource.reveal()["name"] == [{"family": "Müller"}]


async def test_an_older_version_is_still_what_it_was(world: World) -> None:
    first = world.write(PATIENT)
    second = world.write({**PATIENT, "id": first.id, "gender": "male"})
    assert (await world.reader.version(first)).reveal()["gender"] == "female"
    assert (await world.reader.version(second)).reveal()["gender"] == "male"


async def test_the_current_version_is_read_without_naming_it(world: World) -> None:
    first = world.write(PATIENT)
    world.write({**PATIENT, "id": first.id, "gender": "male"})
    current = await world.reader.current(PROJECT, "Patient", first.id)
    assert current is not None
    assert current.reveal()["gender"] == "male"


async def test_what_is_deleted_expunged_or_was_never_there_has_no_current_version(world: World) -> None:
    deleted, expunged = world.write(PATIENT), world.write(PATIENT)
    world.delete(deleted)
    world.expunge(expunged)
    for id in (deleted.id, expunged.id, "00000000-0000-4000-8000-000000000000", ".."):
        assert await world.reader.current(PROJECT, "Patient", id) is None


async def test_a_version_of_a_deleted_resource_can_be_read(world: World) -> None:
    reference = world.write(PATIENT)
    world.delete(reference)
    assert (await world.reader.version(reference)).reveal()["id"] == reference.id


@pytest.mark.parametrize(
    "field, value",
    [
        ("version", "00000000-0000-4000-8000-000000000000"),
        ("id", "00000000-0000-4000-8000-000000000000"),
        ("id", "not-a-uuid"),
        ("version", ".."),
        ("id", ".."),
    ],
)
async def test_a_version_that_is_not_there_is_gone(world: World, field: str, value: str) -> None:
    reference = world.write(PATIENT).model_copy(update={field: value})
    await _fails(world, reference, Code.VERSION_GONE)


async def test_a_version_of_an_expunged_resource_is_gone(world: World) -> None:
    reference = world.write(PATIENT)
    world.expunge(reference)
    await _fails(world, reference, Code.VERSION_GONE)


async def test_a_resource_of_another_project_is_not_to_be_had(world: World) -> None:
    reference = world.write(PATIENT).model_copy(update={"project": OTHER})
    await _fails(world, reference, Code.VERSION_GONE)


async def test_a_project_without_a_tenant_is_unknown(world: World) -> None:
    reference = world.write(PATIENT).model_copy(update={"project": "someone-elses"})
    await _fails(world, reference, Code.UNKNOWN_PROJECT)


@pytest.mark.parametrize(
    "change, code",
    [
        (lambda body: body.replace(PROJECT.encode(), OTHER.encode()), Code.FOREIGN_PROJECT),
        (lambda body: body.replace(b'"project"', b'"projekt"'), Code.FOREIGN_PROJECT),
        (lambda body: body.replace(b'"Patient"', b'"Person"', 1), Code.RESOURCE_MISMATCH),
        (lambda body: body.replace(b'"versionId":"', b'"versionId":"0'), Code.RESOURCE_MISMATCH),
        (lambda body: body.replace(b'"id":"', b'"id":"0'), Code.RESOURCE_MISMATCH),
        (lambda body: body[:-1] + b',"id":"another"}', Code.RESOURCE_NOT_JSON),
        (lambda body: body[:-1] + b',"valueDecimal":NaN}', Code.RESOURCE_NOT_JSON),
        (lambda body: b"[" + body + b"]", Code.RESOURCE_NOT_JSON),
        (lambda body: body[:-1], Code.RESOURCE_NOT_JSON),
        (lambda body: body[:-1] + b',"x":"' + b"y" * LIMIT + b'"}', Code.RESOURCE_TOO_LARGE),
    ],
    ids=[
        "a foreign project",
        "no project",
        "another type",
        "another version",
        "another id",
        "a key twice",
        "NaN",
        "a list",
        "cut short",
        "too large",
    ],
)
async def test_an_answer_that_is_not_what_was_asked_for_is_refused(
    world: World, change: Callable[[bytes], bytes], code: Code
) -> None:
    reference = world.write(PATIENT)
    world.answers(reference, change)
    await _fails(world, reference, code)


async def test_a_confirmed_deletion_names_the_last_version(world: World) -> None:
    first = world.write(PATIENT)
    last = world.write({**PATIENT, "id": first.id, "gender": "male"})
    world.delete(last)
    assert await world.reader.deletion(claim(last)) == Deletion(last.version, last.last_updated)


async def test_a_claimed_deletion_of_what_is_there_is_refuted(world: World) -> None:
    reference = world.write(PATIENT)
    with pytest.raises(Problem) as raised:
        await world.reader.deletion(claim(reference))
    assert raised.value.code is Code.NOT_DELETED


async def test_a_resource_that_came_back_is_not_deleted(world: World) -> None:
    reference = world.write(PATIENT)
    world.delete(reference)
    world.write({**PATIENT, "id": reference.id, "gender": "male"})
    with pytest.raises(Problem) as raised:
        await world.reader.deletion(claim(reference))
    assert raised.value.code is Code.NOT_DELETED


async def test_an_expunged_resource_has_no_version_to_name(world: World) -> None:
    reference = world.write(PATIENT)
    world.expunge(reference)
    with pytest.raises(Problem) as raised:
        await world.reader.deletion(claim(reference))
    assert raised.value.code is Code.VERSION_GONE


async def test_one_tag_makes_one_audit_event_however_many_ask_at_once(world: World) -> None:
    created = await asyncio.gather(*(world.auditor.create_once(PROJECT, "a" * 32, AUDIT) for _ in range(12)))
    assert Counter(created) == {True: 1, False: 11}
    [event] = world.audits(PROJECT)
    meta = event["meta"]
    assert isinstance(meta, dict)
    assert meta["tag"] == [{"system": "urn:starvit:event", "code": "a" * 32}]
    assert event["source"] == AUDIT["source"]


async def test_another_tag_or_project_makes_another_audit_event(world: World) -> None:
    for project, tag in ((PROJECT, "a"), (PROJECT, "b"), (OTHER, "a")):
        assert await world.auditor.create_once(project, tag, AUDIT)
    assert (len(world.audits(PROJECT)), len(world.audits(OTHER))) == (2, 1)


async def test_a_task_that_accounts_for_something_is_created_once_too(world: World) -> None:
    created = await asyncio.gather(*(world.auditor.create_once(PROJECT, "t" * 32, TASK) for _ in range(6)))
    assert Counter(created) == {True: 1, False: 5}


async def test_what_is_no_audit_event_is_refused_for_good(world: World) -> None:
    with pytest.raises(Problem) as raised:
        await world.auditor.create_once(PROJECT, "a", {"resourceType": "Patient"})
    assert raised.value.code is Code.AUDIT_REFUSED
    with pytest.raises(Problem) as raised:
        await world.auditor.create_once("someone-elses", "a", AUDIT)
    assert raised.value.code is Code.UNKNOWN_PROJECT


async def test_a_spent_quota_means_busy_until_it_starts_anew(world: World) -> None:
    reference = world.write(PATIENT)
    await world.spend()
    with pytest.raises(Problem) as raised:
        await world.reader.version(reference)
    assert raised.value.code is Code.MEDPLUM_BUSY
    assert 1 <= (raised.value.retry_after or 0) <= 60
    await world.a_minute_later()
    assert (await world.reader.version(reference)).reveal()["id"] == reference.id


async def test_an_audit_event_that_met_a_spent_quota_is_written_later(world: World) -> None:
    await world.spend()
    with pytest.raises(Problem) as raised:
        await world.auditor.create_once(PROJECT, "a", AUDIT)
    assert raised.value.code is Code.MEDPLUM_BUSY
    assert 1 <= (raised.value.retry_after or 0) <= 60
    await world.a_minute_later()
    assert await world.auditor.create_once(PROJECT, "a", AUDIT)


async def test_a_medplum_that_does_not_answer_is_down(world: World) -> None:
    reference = world.write(PATIENT)
    await world.vanish()
    await _fails(world, reference, Code.MEDPLUM_DOWN)
    with pytest.raises(Problem) as raised:
        await world.auditor.create_once(PROJECT, "a", AUDIT)
    assert raised.value.code is Code.MEDPLUM_DOWN


async def _fails(world: World, reference: Reference, code: Code) -> None:
    with pytest.raises(Problem) as raised:
        await world.reader.version(reference)
    assert raised.value.code is code
    assert raised.value.at
