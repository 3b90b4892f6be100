"""The judge finds each kind of loss and of repetition, and acquits a warehouse that is right."""

import hmac
from dataclasses import dataclass, field

import pytest

from shared.local.judge import Naming, Truth, Verdict, Written, judge
from tests.shared.local.playing import played

type Json = dict[str, object]


def _key(type: str, id: str) -> str:
    return hmac.digest(b"k", f"{type}/{id}".encode(), "sha256").hex()[:32]


def _version(type: str, id: str, version: str) -> str:
    return hmac.digest(b"v", f"{type}/{id}/{version}".encode(), "sha256").hex()[:32]


@dataclass(slots=True)
class _World:
    """A warehouse that is right, to be spoilt."""

    truth: list[Truth]
    accepted: set[tuple[str, str, str]] = field(default_factory=set)
    current: list[Json] = field(default_factory=list)
    log: list[Json] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    set_aside: set[tuple[str, str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        for known in self.truth:
            for order, written in enumerate(known.versions):
                self.accepted.add((known.type, known.id, written.version))
                self.log.append(_row(known, written.version, order))
            if known.deleted:
                self.log.append(_row(known, known.versions[-1].version, len(known.versions), deleted=True))
            else:
                shown = _row(known, known.versions[-1].version, len(known.versions) - 1)
                del shown["deleted"]  # as in the view
                self.current.append(shown)
        self.tags = [f"tag-{n}" for n in range(len(self.log))]

    def verdict(self) -> Verdict:
        return judge(
            self.truth,
            self.accepted,
            self.current,
            self.log,
            Naming(_key, _version),
            audit_tags=self.tags,
            set_aside=self.set_aside,
        )


def _row(known: Truth, version: str, order: int, *, deleted: bool = False, generation: int = 1) -> Json:
    return {
        "resource_type": known.type,
        "key": _key(known.type, known.id),
        "sequence": f"{order:04x}/{generation:x}",
        "version": _version(known.type, known.id, version),
        "deleted": deleted,
        "generation": generation,
    }


@pytest.fixture
def world() -> _World:
    def resource(id: str, versions: int, *, deleted: bool = False) -> Truth:
        written = tuple(Written(f"{id}-v{n}", f"2026-01-01T00:00:0{n}.000Z") for n in range(versions))
        return Truth("Patient", id, written, deleted)

    return _World([resource("a", 1), resource("b", 3), resource("c", 2, deleted=True)])


def _one(verdict: Verdict, **counts: int) -> None:
    told = {"lost": verdict.lost, "duplicated": verdict.duplicated, "stale": verdict.stale, "extra": verdict.extra}
    assert told == {"lost": 0, "duplicated": 0, "stale": 0, "extra": 0} | counts
    assert len(verdict.missing) == verdict.lost + verdict.duplicated
    assert not verdict.good


def test_a_warehouse_that_is_right_is_acquitted(world: _World) -> None:
    assert world.verdict() == Verdict(0, 0, 0, 0, ())
    assert world.verdict().good


def test_a_whole_clinic_is_acquitted() -> None:
    assert _World(played(1, 1000).truth()).verdict().good


def test_an_empty_warehouse_has_lost_everything(world: _World) -> None:
    world.current, world.log = [], []
    _one(world.verdict(), lost=2 + len(world.accepted))


def test_a_live_resource_without_a_row_is_lost(world: _World) -> None:
    del world.current[0]
    _one(world.verdict(), lost=1)
    assert "no current row" in world.verdict().missing[0]


def test_a_current_row_of_an_older_version_is_lost_and_stale(world: _World) -> None:
    world.current[1]["version"] = _version("Patient", "b", "b-v1")
    _one(world.verdict(), lost=1, stale=1)


def test_a_deleted_resource_that_is_still_shown_is_lost_and_stale(world: _World) -> None:
    world.current.append(_row(world.truth[2], "c-v1", 1))
    _one(world.verdict(), lost=1, stale=1)


def test_a_deletion_without_a_tombstone_in_the_change_log_is_lost(world: _World) -> None:
    world.log = [row for row in world.log if not row["deleted"]]
    _one(world.verdict(), lost=1)


def test_a_deleted_resource_that_nobody_ever_heard_of_is_not_lost(world: _World) -> None:
    key = _key("Patient", "c")
    world.log = [row for row in world.log if row["key"] != key]
    world.accepted = {version for version in world.accepted if version[1] != "c"}
    assert world.verdict().good


def test_an_accepted_version_that_is_not_in_the_change_log_is_lost(world: _World) -> None:
    del world.log[1]
    _one(world.verdict(), lost=1)


def test_an_older_version_that_nobody_told_us_of_may_be_missing(world: _World) -> None:
    del world.log[1]
    world.accepted.remove(("Patient", "b", "b-v0"))
    assert world.verdict().good


def test_a_version_that_was_set_aside_is_not_lost(world: _World) -> None:
    del world.log[0], world.current[0]
    world.set_aside = {("Patient", "a", "a-v0")}
    assert world.verdict().good


def test_of_two_versions_of_one_millisecond_either_may_be_current(world: _World) -> None:
    first, second = Written("d-v0", "2026-01-01T00:00:00.000Z"), Written("d-v1", "2026-01-01T00:00:00.000Z")
    tied = _World([Truth("Patient", "d", (first, second), deleted=False)])
    tied.current[0]["version"] = _version("Patient", "d", "d-v0")
    assert tied.verdict().good


def test_two_current_rows_of_one_key_are_duplicated(world: _World) -> None:
    world.current.append(dict(world.current[0]))
    _one(world.verdict(), duplicated=1)


def test_a_version_that_stands_twice_in_the_change_log_is_duplicated(world: _World) -> None:
    world.log.append(world.log[0] | {"sequence": "ffff/1"})
    _one(world.verdict(), duplicated=1)


def test_a_version_of_another_generation_is_no_duplicate(world: _World) -> None:
    world.log.append(_row(world.truth[0], "a-v0", 0, generation=2))
    assert world.verdict().good


def test_a_write_and_the_deletion_of_the_same_version_are_no_duplicates(world: _World) -> None:
    versions = [row["version"] for row in world.log]
    assert len(versions) > len(set(map(str, versions)))
    assert world.verdict().good


@pytest.mark.parametrize("where", ["current", "log"])
def test_a_row_of_no_resource_is_extra(world: _World, where: str) -> None:
    stranger = _row(Truth("Patient", "x", (), deleted=False), "x-v0", 0)
    (world.current if where == "current" else world.log).append(stranger)
    _one(world.verdict(), duplicated=1, extra=1)


def test_a_row_of_a_version_that_never_was_is_extra(world: _World) -> None:
    world.log.append(_row(world.truth[0], "a-v9", 9))
    _one(world.verdict(), duplicated=1, extra=1)


def test_a_tombstone_of_a_live_resource_is_extra(world: _World) -> None:
    world.log.append(_row(world.truth[0], "a-v0", 1, deleted=True))
    _one(world.verdict(), duplicated=1, extra=1)


def test_a_second_audit_event_of_one_tag_is_duplicated(world: _World) -> None:
    world.tags.append(world.tags[0])
    _one(world.verdict(), duplicated=1)


def test_a_third_copy_counts_twice(world: _World) -> None:
    world.current += [world.current[0], world.current[0]]
    _one(world.verdict(), duplicated=2)


def test_the_lines_name_a_type_and_no_id(world: _World) -> None:
    world.current, world.log = [], []
    for line in world.verdict().missing:
        assert line.startswith("lost: Patient ")
        assert not any(id in line for _, id, version in world.accepted for id in (version, _key("Patient", id)))
    assert world.verdict().missing != world.verdict().missing  # another key each time
