"""The clinic at work against the local Medplum's own store: what it sent, and what is true afterwards."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import orjson

from shared.local.clinic import Clinic, Operation
from shared.local.judge import Truth, Written
from shared.local.medplum.store import Author, Store

PROJECT = "00000000-0000-4000-8000-000000000001"
_AUTHOR = Author("ClientApplication/clinic", "clinic")


@dataclass(slots=True)
class Played:
    """`sent` are the bodies as sent, `answers` as Medplum stored them; both by the number of the operation."""

    clinic: Clinic
    operations: list[Operation] = field(default_factory=list)
    sent: dict[int, dict[str, Any]] = field(default_factory=dict)
    answers: dict[int, dict[str, Any]] = field(default_factory=dict)
    written: dict[tuple[str, str], list[Written]] = field(default_factory=dict)
    deleted: set[tuple[str, str]] = field(default_factory=set)

    def truth(self) -> list[Truth]:
        """What Medplum has, as the judge wants it."""
        return [
            Truth(type, id, tuple(versions), (type, id) in self.deleted)
            for (type, id), versions in self.written.items()
        ]


@cache
def played(seed: int, count: int) -> Played:
    """The first operations of the clinic of a seed, each answered before the next one is asked for."""
    made = Played(Clinic(seed))
    store = Store(seed + 1, lambda *_: None)
    for operation in made.clinic.operations(count):
        made.operations.append(operation)
        if operation.action == "delete":
            store.delete(PROJECT, operation.type, operation.id, "trace")
            made.deleted.add((operation.type, operation.id))
            continue
        body = made.sent[operation.number] = operation.resource()
        save = store.create if operation.action == "create" else store.update
        record = save(PROJECT, body, _AUTHOR, "trace")
        answer = made.answers[operation.number] = orjson.loads(record.current.plain())
        made.clinic.stored(operation, answer)
        written = Written(answer["meta"]["versionId"], answer["meta"]["lastUpdated"])
        made.written.setdefault((operation.type, answer["id"]), []).append(written)
    return made
