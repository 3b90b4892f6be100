"""Compares the warehouse with what the clinic really did, and says what is lost, what is there twice, and which.

    Medplum's own store ─► Truth ─────┐
    ingress ─► accepted versions ─────┼─► judge ─► Verdict
    views `resources`, `change_log` ──┤
    AuditEvents' tags ────────────────┘

Nothing is taken from the service's word but what ingress accepted: an accepted version has to be in the change log,
even if a newer one came. A version that nobody was told of may be missing there, as long as the current one is shown.

Two versions of the same millisecond have no order that Medplum would tell, so either may be the current one. A version
that was set aside under a code is not lost: somebody can find it. The lines name a type and a keyed hash, never an id.
"""

import hmac
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Written:
    """A version as Medplum has it."""

    version: str
    last_updated: str


@dataclass(frozen=True, slots=True)
class Truth:
    """A resource at Medplum: all its versions, oldest first, and whether it was deleted after the last."""

    type: str
    id: str
    versions: tuple[Written, ...]
    deleted: bool

    def newest(self) -> frozenset[str]:
        """The current version; or the few that share its millisecond."""
        last = self.versions[-1].last_updated
        return frozenset(written.version for written in self.versions if written.last_updated == last)


@dataclass(frozen=True, slots=True)
class Row:
    """What is compared of a warehouse row."""

    resource_type: str
    key: str
    sequence: str
    version: str
    deleted: bool
    generation: int

    @classmethod
    def of(cls, row: Mapping[str, object]) -> "Row":
        """A row as a query gives it. The view `resources` has no column `deleted`: it shows none that are."""
        return cls(
            resource_type=str(row["resource_type"]),
            key=str(row["key"]),
            sequence=str(row["sequence"]),
            version=str(row["version"]),
            deleted=bool(row.get("deleted", False)),
            generation=int(str(row.get("generation", 0))),
        )


@dataclass(frozen=True, slots=True)
class Naming:
    """How the caller turns what Medplum calls things into what the warehouse calls them."""

    key_of: Callable[[str, str], str]
    version_of: Callable[[str, str, str], str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`stale` is a part of `lost`, `extra` a part of `duplicated`. `missing` explains each, one line for one fault."""

    lost: int
    duplicated: int
    stale: int
    extra: int
    missing: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not self.lost and not self.duplicated


type Version = tuple[str, str, str]  # type, id, version id


@dataclass(slots=True)
class _Case:
    """What is charged so far."""

    hash_key: bytes
    counts: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)

    def charge(self, fault: str, type: str, name: str, why: str, *also: str) -> None:
        self.counts.update((fault, *also))
        which = hmac.digest(self.hash_key, f"{type}/{name}".encode(), "sha256").hex()[:12]
        self.lines.append(f"{fault}: {type} {which}: {why}")


def judge(
    truth: Iterable[Truth],
    accepted: Iterable[Version],
    current: Iterable[Mapping[str, object]],
    log: Iterable[Mapping[str, object]],
    names: Naming,
    *,
    audit_tags: Iterable[str] = (),
    set_aside: Collection[Version] = (),
    hash_key: bytes | None = None,
) -> Verdict:
    """The verdict on one tenant's dataset."""
    case = _Case(hash_key or secrets.token_bytes(32))
    shown, logged = [Row.of(row) for row in current], [Row.of(row) for row in log]
    resources = {(known.type, names.key_of(known.type, known.id)): known for known in truth}
    by_key = {(row.resource_type, row.key): row for row in shown}
    in_log = {(row.resource_type, row.key, row.version, row.deleted) for row in logged}
    written = {(row.resource_type, row.key) for row in logged if not row.deleted}

    for (type, key), known in resources.items():
        _judge_current(case, known, by_key.get((type, key)), names, set_aside)
        tombstones = {(type, key, names.version_of(type, known.id, version), True) for version in known.newest()}
        if known.deleted and (type, key) in written and not tombstones & in_log:
            case.charge("lost", type, known.id, "its deletion is not in the change log")
    for type, id, version in sorted(set(accepted) - set(set_aside)):
        if (type, names.key_of(type, id), names.version_of(type, id, version), False) not in in_log:
            case.charge("lost", type, id, "a version that ingress accepted is not in the change log")

    _judge_repeats(case, "current row", ((row.resource_type, row.key) for row in shown))
    _judge_repeats(
        case,
        "change-log row of one version",
        ((row.resource_type, row.key, row.version, row.deleted, row.generation) for row in logged),
    )
    _judge_repeats(case, "AuditEvent of one tag", (("AuditEvent", tag) for tag in audit_tags))
    _judge_extras(case, resources, [*shown, *logged], names)
    counts = case.counts
    return Verdict(counts["lost"], counts["duplicated"], counts["stale"], counts["extra"], tuple(case.lines))


def _judge_current(case: _Case, known: Truth, row: Row | None, names: Naming, set_aside: Collection[Version]) -> None:
    newest = known.newest()
    if known.deleted:
        if row is not None:
            case.charge("lost", known.type, known.id, "deleted, but still shown", "stale")
    elif any((known.type, known.id, version) in set_aside for version in newest):
        return
    elif row is None:
        case.charge("lost", known.type, known.id, "no current row")
    elif row.version not in {names.version_of(known.type, known.id, version) for version in newest}:
        case.charge("lost", known.type, known.id, "the current row is of another version", "stale")


def _judge_repeats(case: _Case, what: str, rows: Iterable[tuple[Hashable, ...]]) -> None:
    for identity, times in Counter(rows).items():
        for _ in range(times - 1):
            case.charge("duplicated", str(identity[0]), str(identity[1]), f"more than one {what}")


def _judge_extras(case: _Case, resources: Mapping[tuple[str, str], Truth], rows: list[Row], names: Naming) -> None:
    """Rows that no version of any resource explains."""
    explained = {
        (type, key, names.version_of(type, known.id, written.version))
        for (type, key), known in resources.items()
        for written in known.versions
    }
    deletable = {
        (type, key, names.version_of(type, known.id, version))
        for (type, key), known in resources.items()
        if known.deleted
        for version in known.newest()
    }
    for row in sorted(set(rows), key=lambda row: (row.resource_type, row.key, row.sequence)):
        if (row.resource_type, row.key, row.version) not in (deletable if row.deleted else explained):
            case.charge("duplicated", row.resource_type, row.key, "a row that no resource explains", "extra")
