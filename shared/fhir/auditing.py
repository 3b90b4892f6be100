"""One tenant's AuditEvents, Tasks and Provenances on their way to Medplum: what is wanted at once is written in one batch.

    create_once(tag) ─┐                                      ┌─► 201, 200, 412: written, or there before
    create_once(tag) ─┼─► [this] ─► one Bundle, one client ──┼─► 429: the next client; when all are spent, MEDPLUM_BUSY
    create_once(tag) ─┘             that has points left     └─► 400, 422: AUDIT_REFUSED, for this one alone

Each record is a conditional create by tag, alone or as an entry of a batch: Medplum runs both through the same code, each
in a transaction of its own (packages/fhir-router, batch.ts: only `transaction` bundles of projects that have the feature
run otherwise). Twelve at once have been seen to leave one when they were single requests; a batch only repeats that code
entry by entry. A Provenance is of a release and wanted with each of its rows: once it is known to be there, Medplum is not
asked again. It looks for each tag once more before it begins, which is paid for: 140 points in place of 120, or 40 for
one that is there. The first entry that meets a spent quota ends a batch: the rest of its entries are 429 too.
"""

from collections.abc import Mapping, Sequence
from itertools import count
from urllib.parse import quote

import orjson
from msgspec import Struct

from shared.batching import Batcher
from shared.deadlines import Deadlines
from shared.errors import Code, Problem
from shared.fhir.account import CONDITIONAL_CREATE, IN_BATCH, Account
from shared.fhir.event_tag import EVENT_SYSTEM, tagged
from shared.fhir.port import ACCOUNTS, Resource
from shared.telemetry.metrics import BATCH_ITEMS, BATCHES

_MOST = 100  # entries: Medplum takes about 7 ms for each
_MOST_BYTES = 1_000_000
_ANSWER = 50_000  # bytes that the answer to an entry may be long: it shows the record


class _Record(Struct, frozen=True):
    kind: str  # of ACCOUNTS
    tag: str
    content: bytes


class Auditors:
    """The clients of one tenant that write audit records; they take turns. `timeout` is for a batch, in seconds."""

    def __init__(self, accounts: Sequence[Account], timeout: float) -> None:
        self._accounts, self._deadlines = accounts, Deadlines(timeout)
        self._turns = count()
        self._known: set[str] = set()  # tags of Provenances that are there: as many as there are releases
        self._batcher: Batcher[_Record, bool] = Batcher(
            self._write, max_items=_MOST, max_bytes=_MOST_BYTES, size=lambda record: len(record.content)
        )

    async def create_once(self, tag: str, audit_event: Resource) -> bool:
        """See port.AuditWriter."""
        if not self._accounts:
            raise Problem(Code.MEDPLUM_DENIED, "auditors")
        kind = str(audit_event.get("resourceType"))
        if kind not in ACCOUNTS:
            raise Problem(Code.AUDIT_REFUSED, "resourceType")
        if tag in self._known:
            return False
        made = await self._batcher.submit(_Record(kind, tag, orjson.dumps(tagged(audit_event, tag))))
        if kind == "Provenance":
            self._known.add(tag)
        return made

    async def _write(self, records: Sequence[_Record]) -> Sequence[bool | Exception]:
        """An end for each record: the clients are asked in turn until none is left to write, or no client with points."""
        BATCHES.add(1, "audit")
        BATCH_ITEMS.add(len(records), "audit")
        ends: dict[int, bool | Exception] = {}
        left, waits, turn = list(range(len(records))), [], next(self._turns)
        try:
            with self._deadlines.one():
                for step in range(len(self._accounts)):
                    account = self._accounts[(turn + step) % len(self._accounts)]
                    some = left[: account.room(IN_BATCH)]
                    try:
                        found = await _ask(account, [records[index] for index in some])
                    except Problem as problem:
                        if problem.code is not Code.MEDPLUM_BUSY:
                            raise
                        found = [None] * len(some)
                    ends |= {index: end for index, end in zip(some, found, strict=True) if end is not None}
                    left = [index for index in left if index not in ends]
                    if not left:
                        break
                    waits.append(account.rests())
        except TimeoutError:
            ends |= {index: Problem(Code.MEDPLUM_DOWN, "timeout") for index in left}
        except Problem as problem:
            ends |= {index: Problem(problem.code, problem.at, retry_after=problem.retry_after) for index in left}
        busy = {
            index: Problem(Code.MEDPLUM_BUSY, "quota", retry_after=min(waits)) for index in left if index not in ends
        }
        return [(ends | busy)[index] for index in range(len(records))]


async def _ask(account: Account, records: Sequence[_Record]) -> Sequence[bool | Exception | None]:
    """An end for each record, None for one that met a spent quota. Raises Problem for all of them."""
    if len(records) == 1:
        return [await _single(account, records[0])]
    answer = await account.request(
        "POST",
        "",
        points=IN_BATCH * len(records),
        limit=_ANSWER * len(records),
        headers={"Content-Type": "application/fhir+json"},
        content=b'{"resourceType":"Bundle","type":"batch","entry":[' + b",".join(map(_entry, records)) + b"]}",
    )
    if answer.status != 200:
        raise Problem(Code.MEDPLUM_DENIED, "Bundle")
    statuses = _statuses(answer.body)
    if len(statuses) != len(records):
        raise Problem(Code.MEDPLUM_DOWN, "Bundle.entry")
    return [_end(status) for status in statuses]


async def _single(account: Account, record: _Record) -> bool | Exception | None:
    answer = await account.request(
        "POST",
        record.kind,
        points=CONDITIONAL_CREATE,
        limit=_ANSWER,
        headers={"Content-Type": "application/fhir+json", "If-None-Exist": _condition(record)},
        content=record.content,
    )
    return _end(answer.status)


def _end(status: int) -> bool | Exception | None:
    match status:
        case 201:
            return True
        case 200 | 412:  # 412: more than one is there, which somebody else's write must have made
            return False
        case 429:
            return None
        case 401 | 403 | 404:
            return Problem(Code.MEDPLUM_DENIED, "AuditEvent")
        case _ if status >= 500:
            return Problem(Code.MEDPLUM_DOWN, "AuditEvent")
        case _:
            return Problem(Code.AUDIT_REFUSED, "AuditEvent")


def _entry(record: _Record) -> bytes:
    request = orjson.dumps({"method": "POST", "url": record.kind, "ifNoneExist": _condition(record)})
    return b'{"request":' + request + b',"resource":' + record.content + b"}"


def _condition(record: _Record) -> str:
    return f"_tag={EVENT_SYSTEM}|{quote(record.tag, safe='')}"


def _statuses(body: bytes) -> list[int]:
    """The entries' own statuses. Raises Problem(MEDPLUM_DOWN) if it is no answer to a batch."""
    try:
        bundle = orjson.loads(body)
    except orjson.JSONDecodeError:
        bundle = None
    entries = bundle.get("entry") if isinstance(bundle, Mapping) else None
    statuses = []
    for entry in entries if isinstance(entries, list) else ():
        response = entry.get("response") if isinstance(entry, Mapping) else None
        status = response.get("status") if isinstance(response, Mapping) else None
        if not isinstance(status, str) or not status[:3].isdecimal():
            raise Problem(Code.MEDPLUM_DOWN, "Bundle.entry.response.status")
        statuses.append(int(status[:3]))
    return statuses
