"""What must hold when a day is over, whatever went wrong in it. Each thing that does not is a sentence.

The truth is the hospital's: every version that was written, every deletion. The rows that ought to be are made by the
door alone, without a pipeline, and compared with what lies in the warehouse.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

import orjson

from handlers import catalog
from shared.deid.door import TEXT_WITHHELD, Door
from shared.deid.row import SafeRow
from shared.events.data import Validated
from shared.phi import Phi
from tests.simulation import house
from tests.simulation.hospital import Written
from tests.simulation.world import World

_CANARIES = ("canary", "555-0142")  # of every name, and the telephone number in the texts


def wrongs(world: World) -> list[str]:
    """Everything that is wrong with a world after its day, each kind once."""
    found = [
        *world.ledger.wrongs,
        *_ledger(world),
        *_events(world),
        *_rows(world),
        *_outgoing(world),
        *_audits(world),
        *_leaks(world),
    ]
    found += [f"dead-lettered: {name}" for name in world.broker.dead]
    return list(dict.fromkeys(found))


def _ledger(world: World) -> Iterator[str]:
    for record in world.ledger.records():
        handler, _, _ = record.key.partition(":")
        if record.state.value in ("leased", "retry"):
            yield f"{handler} never ended a key"
        elif record.state.value == "poison" and record.code != "resource-invalid":
            yield f"{handler} set a key aside as {record.code}"
    aside = [orjson.loads(message.data) for topic, message in world.broker.published if topic.endswith(".quarantine")]
    if world.aside() - {f"{data['handler']}:{data['eventId']}" for data in aside}:
        yield "poison that no quarantine tells of"
    flaws = {"resource-invalid": "invalid", "handler-failed": "unforeseen"}
    for data in aside:
        if world.hospital.flaw(data["event"].get("version")) != flaws.get(data["code"]):
            yield f"set aside as {data['code']} without being so"


def _events(world: World) -> Iterator[str]:
    """One event for one thing, and one for each webhook that was answered well."""
    ids: defaultdict[tuple[object, ...], set[str]] = defaultdict(set)
    told = set()
    for topic, message in world.broker.published:
        data = orjson.loads(message.data)
        if topic == "fhir.changed" and message.attributes["ce-source"].endswith(":webhook"):
            told.add(data.get("version"))
        if topic in ("fhir.changed", "fhir.validated", "fhir.deidentified") and not data.get("deleted"):
            id, version = data.get("id") or data["key"], data.get("version")
            if version:
                ids[topic, data["project"], id, version, data["generation"], data.get("keyId"), data.get("op")].add(
                    message.attributes["ce-id"]
                )
    if any(len(names) > 1 for names in ids.values()):
        yield "one thing under two event ids"
    if world.hospital.told - told:
        yield "a webhook that was answered and not published"


def _rows(world: World) -> Iterator[str]:
    """Every version of every resource is in every dataset of its tenant, and the newest is the current one."""
    for number, tenant in enumerate(house.tenants()):
        for door in house.doors()[tenant.project]:
            log: defaultdict[tuple[str, str], list[SafeRow]] = defaultdict(list)
            for row in world.warehouse.change_log(tenant.name):
                if row.key_id == door.pseudonyms.key_id:
                    log[row.resource_type, row.key].append(row)
            for type, id in {(one.type, one.id) for one in world.hospital.written if one.project == number}:
                yield from _resource(world, door, number, type, id, log.pop((type, door.pseudonyms.id(type, id)), []))
            if log:
                yield "a row of a resource that nobody wrote"


def _resource(world: World, door: Door, project: int, type: str, id: str, log: list[SafeRow]) -> Iterator[str]:
    def of(versions: list[Written]) -> list[Written]:
        return [one for one in versions if (one.project, one.type, one.id) == (project, type, id)]

    written, deleted = of(world.hospital.written), of(world.hospital.deleted)
    by_version: defaultdict[tuple[str, bool], list[SafeRow]] = defaultdict(list)
    for row in log:
        by_version[row.version, row.deleted].append(row)
    for one in written:
        rows = by_version.pop((door.pseudonyms.version(type, id, one.version), False), [])
        if one.flaw == "invalid":
            if rows:
                yield "a row of a version that is not valid"
            continue
        if not rows and world.unknowable(one):
            continue
        yield from _version(door, one, rows)
    yield from _current(world, door, written, deleted)
    # What reconcile buries is the row that was there, which may be of an older version than the one that was deleted.
    names = {door.pseudonyms.version(type, id, one.version) for one in written} if deleted else set()
    if any(not gone or version not in names for version, gone in by_version):
        yield "a row of a version or deletion that never was"
    if any(len(rows) > 1 for rows in by_version.values()):
        yield "one deletion with two sequences"


def _version(door: Door, one: Written, rows: list[SafeRow]) -> Iterator[str]:
    """The rows of one version: one, or a second with the text that the first had to go without."""
    if not rows:
        yield "a version that is missing in the change log"
        return
    rows.sort(key=lambda row: row.generation)
    right = door.row(_validated(one, rows[0].generation, delete=False), Phi(one.resource))
    if rows[0].sequence != right.sequence:
        yield "a sequence that is not the version's"
    if [row.generation - rows[0].generation for row in rows] not in ([0], [0, 1]):
        yield "a version with rows of strange generations"
    if any(_without_text(row.resource) != _without_text(right.resource) for row in rows):
        yield "a row with another content than its version"
    if TEXT_WITHHELD in _extensions(rows[-1].resource):
        yield "a text that was withheld and never came"


def _current(world: World, door: Door, written: list[Written], deleted: list[Written]) -> Iterator[str]:
    """The newest of the versions that may be there is the current row; after a deletion it is a tombstone."""
    newest = max(written, key=lambda one: one.last_updated)
    if sum(one.last_updated == newest.last_updated for one in written) > 1:
        return  # within one millisecond Medplum itself does not tell which came last
    gone = world.hospital.newest[newest.project, newest.id] is None
    valid = [one for one in written if one.flaw != "invalid"]
    if gone:
        expected, delete = newest, True
    elif not valid:
        return
    else:
        expected, delete = max(valid, key=lambda one: one.last_updated), False
        if any(one.last_updated >= expected.last_updated for one in deleted):
            return  # the deletion of an invalid version outlives the valid ones before it
    tenant = house.tenants()[newest.project]
    row = world.warehouse.current.get((tenant.name, newest.type, door.pseudonyms.id(newest.type, newest.id)))
    if row is None:
        if not (delete and all(map(world.unknowable, valid))):
            yield "a resource without a row"
    elif row.deleted != delete:
        yield "a deleted resource that is there" if delete else "a resource that is there and counts as deleted"
    elif not delete and row.version not in {
        door.pseudonyms.version(newest.type, newest.id, one.version)
        for one in valid
        if one.last_updated == expected.last_updated  # of two in one millisecond either may be the newer
    }:
        yield "a resource whose current row is not the newest"


def _outgoing(world: World) -> Iterator[str]:
    """Whoever subscribes to a tenant's rows has heard of each that is in its own dataset, and of none that is not."""
    told: defaultdict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for topic, message in world.broker.published:
        if topic.startswith("fhir.deidentified."):
            data = orjson.loads(message.data)
            told[topic].add((data["keyId"], data["key"], data["sequence"]))
    for (name, key_id), topic in catalog.outgoing(house.tenants()).items():
        log = world.warehouse.change_log(name)
        stored = {(row.key_id, row.key, row.sequence) for row in log if row.key_id == key_id}
        heard = told.pop(topic, set())
        if stored - heard:
            yield "a row that is stored and that no subscriber was told of"
        if heard - stored:
            yield "a row that subscribers were told of and that is not in the tenant's own dataset"
    if told:
        yield "a topic of rows that no tenant has"


def _audits(world: World) -> Iterator[str]:
    """Each access that was published is one AuditEvent, and nothing else is; what was read was published."""
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    told: Counter[tuple[str, str, str, str]] = Counter()
    for topic, message in world.broker.published:
        if topic == "fhir.accessed":
            data = orjson.loads(message.data)
            wanted[data["project"]] |= {act["event"] for act in data["acts"]}
            told.update((act["id"], act["version"], act["handler"], act["action"]) for act in data["acts"])
    for project, audits in world.hospital.fhir.audits.items():
        if wanted[project] - audits.keys():
            yield "an access that was not audited"
        if audits.keys() - wanted[project]:
            yield "an audit of an access that never was"
    for one in world.hospital.written:
        for handler, action in (("validation", "vread"), ("deid", "vread"), ("deid", "disclose")):
            if one.flaw != "invalid" and not world.unknowable(one) and not told[one.id, one.version, handler, action]:
                yield f"a {action} by {handler} that nobody was told of"


def _leaks(world: World) -> Iterator[str]:
    """No name, no text in any channel; and no id of Medplum's in any that lies beyond the door."""
    ids = {one.id for one in world.hospital.written} | {one.version for one in world.hospital.written}
    for topic, message in world.broker.published:
        text = f"{message.data.decode()} {dict(message.attributes)}"
        yield from _seen(text, "a message")
        if topic.startswith(("fhir.deidentified", "analytics.committed", "analytics.quarantine")):
            yield from (f"an id beyond the door, on {topic}" for id in ids if id in text)
    yield from _seen("\n".join(world.logs), "a log line")
    yield from _seen(repr(world.ledger.records()), "the ledger")
    rows = "\n".join(repr(row) for row in world.warehouse.log)
    yield from _seen(rows, "the warehouse")
    yield from ("an id in the warehouse" for id in ids if id in rows)


def _seen(text: str, where: str) -> Iterator[str]:
    yield from (f"PHI in {where}" for canary in _CANARIES if canary in text)


def _validated(one: Written, generation: int, *, delete: bool) -> Validated:
    return Validated(
        project=house.tenants()[one.project].project,
        type=one.type,
        id=one.id,
        version=one.version,
        last_updated=one.last_updated,
        generation=generation,
        op="delete" if delete else "write",
    )


def _without_text(resource: Mapping[str, object] | None) -> Mapping[str, object]:
    return {name: value for name, value in (resource or {}).items() if name not in ("note", "extension")}


def _extensions(resource: Mapping[str, object] | None) -> list[object]:
    found = (resource or {}).get("extension", [])
    return found if isinstance(found, list) else []
