"""No code path touches PHI without its AuditEvent.

Who reads PHI is found in the source and stands in a list; a day of the simulation then drives them all, with crashes and
outages, and whatever Medplum gave to any of them, and every row that left, has its AuditEvent in the end.
"""

import ast
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson
import pytest

from shared.accounts import Accounts
from shared.events.data import Deidentified, Disclosure
from shared.fhir.memory import MemoryFhir
from shared.fhir.provenance import tag_of
from shared.fhir.records import Records
from tests.simulation.plan import drawn
from tests.simulation.world import World

ROOT = Path(__file__).resolve().parents[2]
READS = frozenset({"version", "current", "deletion", "live", "versions"})  # of the ports Reader and Sweeper: PHI comes
ASKS = frozenset({"reader", "medplum", "sweeper", "site"})  # what the ports are called where they are asked
MAY_READ = {
    "shared/fhir/reading.py": "fetch: the pipeline accounts for what `access` says",
    "shared/fhir/records.py": "accounts for it as soon as it came",
    "handlers/reconcile/sweep.py": "accounts for each walk (Events.searched)",
}
SEEDS = range(1, 9)


def _asked(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in READS:
            owner = node.value
            name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
            if name.strip("_") in ASKS:
                yield node.attr


def test_who_reads_phi_is_known_and_says_how_it_is_accounted_for() -> None:
    found = set()
    for folder in ("handlers", "shared"):
        for path in (ROOT / folder).rglob("*.py"):
            name = str(path.relative_to(ROOT))
            if not name.startswith(("shared/local/", "shared/fhir/client.py")) and set(
                _asked(ast.parse(path.read_text()))
            ):
                found.add(name)
    assert found == set(MAY_READ)


@contextmanager
def _noted(given: Counter[tuple[str, str]]) -> Iterator[None]:
    """Note each resource that Medplum gave away, as type/id with its version, or type alone for a walk."""
    with (
        patch.object(MemoryFhir, "version", _noting(MemoryFhir.version, given, _of_version)),
        patch.object(MemoryFhir, "current", _noting(MemoryFhir.current, given, _of_current)),
        patch.object(MemoryFhir, "deletion", _noting(MemoryFhir.deletion, given, _of_claim)),
        patch.object(MemoryFhir, "live", _noting(MemoryFhir.live, given, _of_walk)),
    ):
        yield


def _noting(real: Any, given: Counter[tuple[str, str]], named: Callable[..., tuple[str, str]]) -> Any:
    async def read(self: MemoryFhir, *arguments: Any, **more: Any) -> Any:
        answer = await real(self, *arguments, **more)
        if answer is not None and getattr(answer, "versions", True):  # a page without versions brought nothing
            given[named(*arguments)] += 1
        return answer

    return read


def _of_version(reference: Any) -> tuple[str, str]:
    return reference.project, f"{reference.type}/{reference.id}/_history/{reference.version}"


def _of_current(project: str, type: str, id: str) -> tuple[str, str]:
    return project, f"{type}/{id}"


def _of_claim(claim: Any) -> tuple[str, str]:
    return claim.project, f"{claim.type}/{claim.id}"


def _of_walk(project: str, type: str, *_: Any) -> tuple[str, str]:
    return project, f"{type}?"


def _recorded(world: World) -> set[tuple[str, str]]:
    """What the AuditEvents in Medplum name; a walk by its type."""
    found = set()
    for project, audits in world.hospital.fhir.audits.items():
        for event in audits.values():
            for entity in event["entity"]:  # type: ignore[attr-defined]
                if entity["type"]["code"] == "1":
                    continue  # whose it is, and not what was read
                if reference := entity.get("what", {}).get("reference"):
                    found.add((project, reference))
                elif "query" in entity:
                    found.add((project, f"{b64decode(entity['query']).decode()}?"))
    return found


def _unaudited() -> list[tuple[str, str]]:
    """What was given away, on some day of the simulation, and has no AuditEvent; and rows that left without one."""
    missing: list[tuple[str, str]] = []
    for seed in SEEDS:
        given: Counter[tuple[str, str]] = Counter()
        with _noted(given):
            world = World(drawn(seed)).lived()
        recorded = _recorded(world)
        missing += [one for one in given if one not in recorded]
        left, told = _left(world)
        missing += [("rows", f"{left} left, {told} recorded")] if left > told else []
    return missing


def _left(world: World) -> tuple[int, int]:
    """How many rows left through the door, and how many records there are of that.

    A tombstone may be reconcile's, which knows no resource: there is a record for each row that is none, at least.
    """
    rows = {
        message.attributes["ce-id"]
        for topic, message in world.broker.published
        if (topic, message.attributes["ce-type"]) == ("fhir.deidentified", Deidentified.TYPE)
        and not orjson.loads(message.data)["deleted"]
    }
    exports = {
        tag
        for audits in world.hospital.fhir.audits.values()
        for tag, event in audits.items()
        if event["type"]["code"] == "110106"  # type: ignore[index]
    }
    return len(rows), len(exports)


def test_whatever_medplum_gave_and_whatever_left_has_its_audit_event() -> None:
    assert _unaudited() == []


def test_each_release_that_a_row_left_for_has_its_provenance_and_no_other_has_one() -> None:
    for seed in SEEDS:
        world = World(drawn(seed)).lived()
        left = set()
        for topic, message in world.broker.published:
            if (topic, message.attributes["ce-type"]) == ("fhir.deidentified", Deidentified.TYPE):
                row = Deidentified.model_validate_json(message.data)
                if not row.deleted:
                    to = Disclosure(
                        tenant=row.project, key_id=row.key_id, policy=row.policy, policy_hash=row.policy_hash
                    )
                    left.add(tag_of(to))
        written = {tag for kept in world.hospital.fhir.provenances.values() for tag in kept}
        assert written == left
        assert left, "else the day proves nothing"


BROKEN: dict[str, Callable[[], Any]] = {
    "nothing is accounted for": lambda: patch.object(Accounts, "note", lambda *_: None),
    "a patient's record is not": lambda: patch.object(
        Records, "of", lambda self, event, id: self.reader.current(event.data.project, "Patient", id.reveal())
    ),
    "what leaves is not": lambda: patch("shared.acting.Sinks._account_for", lambda *_: None),
}


@pytest.mark.parametrize("what", BROKEN)
def test_it_is_noticed_when(what: str) -> None:
    with BROKEN[what]():
        assert _unaudited()
