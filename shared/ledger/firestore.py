"""The ledger in the cloud: one Firestore document for each key, shared by all instances of a zone.

    guess ─ transition ─► write, if the document is still what was guessed ─► done
      ▲                          │ it is not
      └────── read ◄─────────────┘

No transactions: Firestore's lock the document, and collapse when many workers want one key. A claim guesses that the
key is new (`create`), an end guesses what its lease has seen (precondition on the update time): one round trip each in
the usual case, two when a key exists. Each write bears a mark of its own, so that a write whose answer was lost on the
way is known again when it is repeated.

To be provisioned: a TTL policy on `expires` (lazy, so expiry is checked here too), and `expires`, `until`, `since`
and `attempts` exempt from indexing, for ever-growing indexed values limit a collection to 500 writes a second. The client honours
FIRESTORE_EMULATOR_HOST.
"""

import hashlib
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from shared.errors import Code, Problem
from shared.firestore import Database, store_down
from shared.ledger.port import Attempt, Lease, Record, State
from shared.ledger.transitions import RETENTION, claimed, ended, renewed, reopened

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference

_ROUNDS = 8  # a key that others change so often within one call is not ours to have


class _Seen(Struct, frozen=True):
    """A record as it stood at one time. `mark` names the write that made it."""

    record: Record | None
    update_time: object = None
    mark: str = ""


class FirestoreLedger:
    """A Ledger in a collection. `patience` is how long one call may take, repeats included, in seconds."""

    def __init__(
        self,
        database: str,
        project: str,
        collection: str = "ledger",
        *,
        retention: float = RETENTION,
        patience: float = 5.0,
    ) -> None:
        self._database, self._collection = Database(database, project, patience), collection
        self._retention = retention

    async def claim(self, key: str, fingerprint: str, *, owner: str, now: float, until: float) -> Lease | Record:
        expires = now + self._retention

        def take(found: Record | None) -> Record | None:
            return claimed(found, key, fingerprint, owner=owner, now=now, until=until, expires=expires)

        seen, written = await self._change(key, take, _Seen(None))
        assert seen.record is not None  # nothing else stands in a claim's way
        return Lease(key, owner, seen.record.token, until, fingerprint, seen) if written else seen.record

    async def finish(
        self, lease: Lease, state: State, *, code: str = "", now: float, not_before: float = 0, trace: str = ""
    ) -> None:
        expires = now + self._retention

        def end(found: Record | None) -> Record:
            return ended(found, lease, state, code=code, now=now, not_before=not_before, expires=expires, trace=trace)

        await self._change(lease.key, end, lease.seen)

    async def renew(self, lease: Lease, *, now: float, until: float) -> Lease:
        expires = now + self._retention
        seen, _ = await self._change(
            lease.key, lambda found: renewed(found, lease, now=now, until=until, expires=expires), lease.seen
        )
        return structs.replace(lease, until=until, seen=seen)

    async def reopen(self, key: str, *, now: float) -> bool:
        expires = now + self._retention
        _, written = await self._change(key, lambda found: reopened(found, now=now, expires=expires), None)
        return written

    async def get(self, key: str) -> Record | None:
        return (await self._read(key)).record

    async def close(self) -> None:
        await self._database.close()

    async def _change(
        self, key: str, transition: Callable[[Record | None], Record | None], guess: object
    ) -> tuple[_Seen, bool]:
        """What is known of the key in the end, and whether the transition was made."""
        mark = secrets.token_hex(8)
        seen = guess if isinstance(guess, _Seen) else await self._read(key)
        for _ in range(_ROUNDS):
            record = transition(seen.record)
            if record is None:
                return seen, False
            written = await self._write(record, mark, seen)
            if written is not None:
                return written, True
            seen = await self._read(key)
            if seen.mark == mark:
                return seen, True  # it was made, but its answer had been lost
        raise Problem(Code.LEDGER_DOWN, "firestore")

    async def _read(self, key: str) -> _Seen:
        with store_down():
            snapshot = await self._document(key).get(**self._database.limits)
        if not snapshot.exists:
            return _Seen(None)
        held = snapshot.to_dict()
        record = Record(
            key=held["key"],
            state=State(held["state"]),
            token=held["token"],
            owner=held["owner"],
            until=held["until"],
            code=held["code"],
            fingerprint=held["fingerprint"],
            expires=held["expires"].timestamp(),
            since=held["since"],
            attempts=tuple(Attempt(**attempt) for attempt in held["attempts"]),
        )
        return _Seen(record, snapshot.update_time, held["mark"])

    async def _write(self, record: Record, mark: str, over: _Seen) -> _Seen | None:
        """The record as written, or None if the document is no longer what it was."""
        from google.api_core import exceptions

        fields = {
            "key": record.key,
            "state": record.state.value,
            "token": record.token,
            "owner": record.owner,
            "until": float(record.until),
            "code": record.code,
            "fingerprint": record.fingerprint,
            "expires": datetime.fromtimestamp(record.expires, UTC),  # a timestamp, as the TTL policy wants it
            "since": float(record.since),
            "attempts": [structs.asdict(attempt) for attempt in record.attempts],
            "mark": mark,
        }
        with store_down():
            document = self._document(record.key)
            try:
                if over.record is None:
                    result = await document.create(fields, **self._database.limits)
                else:
                    unchanged = self._database.client.write_option(last_update_time=over.update_time)
                    result = await document.update(fields, unchanged, **self._database.limits)
            except (exceptions.Conflict, exceptions.FailedPrecondition, exceptions.NotFound):
                return None
        return _Seen(record, result.update_time, mark)

    def _document(self, key: str) -> "AsyncDocumentReference":
        # A key may hold what a document id may not ("/"); hashed ids also spread the load. The key itself is a field.
        return self._database.client.collection(self._collection).document(hashlib.sha256(key.encode()).hexdigest())
