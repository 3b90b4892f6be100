"""The ledger's protocol for one key, explored whole: every interleaving of N workers, without a bound on their number of tries.

A state is what the store has of the key, where each worker stands, and what the world has seen. The store's steps are
the real transition functions (shared/ledger/transitions.py); the workers' are the pipeline's, in its order. At any
moment a worker may crash, a lease may run out, an answer may get lost, Pub/Sub may deliver again, an operator may
reopen poison. Three reductions keep the space finite and lose nothing:

    tokens    only their distance to the record's counts, and whoever is two behind acts as one three behind does
    times     only what is left of the lease counts, in ticks
    workers   are alike, so a state is a multiset of them

Left out: clocks that differ (test_simulation.py has them), and the expiry of records after forty days.
"""

from array import array
from collections.abc import Callable, Iterator
from copy import replace
from dataclasses import dataclass
from functools import cache
from typing import Final

from shared.errors import Problem
from shared.ledger import transitions
from shared.ledger.port import FINAL, Lease, Record, State

LEASE: Final = 2  # ticks
_NOW, _TOKEN, _FAR = 1000.0, 10, 1e9

type Known = tuple[State, int] | None  # the record's state, and the ticks that are left of its lease
type Worker = tuple[str, int]  # where it stands, and how far its token is behind; or, idle or claiming, its memo
type World = tuple[Known, tuple[Worker, ...], bool, bool, bool]  # record, workers, acknowledged, effect, quarantine

_IDLE: Final = ("idle", 0)
_LAST_WORDS = frozenset({State.DONE, State.SUPERSEDED})
# Where a worker with a lease may stand, and the state in which it then ends the lease.
_ENDS = {
    "worked": State.DONE,
    "retrying": State.RETRY,
    "poisoning": State.POISON,
    "superseding": State.SUPERSEDED,
}
_LEASED_AT = frozenset({"working", "setting aside", *_ENDS})


@dataclass(frozen=True, slots=True)
class Rules:
    """What is explored. The defaults are the product; a planted bug changes one of them."""

    claimed: Callable[..., Record | None] = transitions.claimed
    ended: Callable[..., Record] = transitions.ended
    reopened: Callable[..., Record | None] = transitions.reopened
    remembered: frozenset[State] = _LAST_WORDS
    effect_first: bool = True
    quarantine_first: bool = True
    lost_is_done: bool = False


class Broken(Exception):
    """An invariant that does not hold after a step."""


@dataclass(slots=True)
class Explored:
    """`violation` is the shortest way to one, as sentences; empty when there is none."""

    states: int
    steps: int
    violation: list[str]


def explore(workers: int, rules: Rules = Rules()) -> Explored:
    """The whole space, or the first thing that is wrong with it."""
    store = _store(rules)
    start: World = (None, (_IDLE,) * workers, False, False, False)
    number = {start: 0}
    states, origin, edges, offsets = [start], array("I", [0]), array("I"), array("Q", [0])
    at = 0
    while at < len(states):
        try:
            for _, after in _steps(states[at], rules, store):
                known = number.get(after)
                if known is None:
                    known = number[after] = len(states)
                    states.append(after)
                    origin.append(at)
                edges.append(known)
        except Broken as broken:
            return Explored(len(states), len(edges), [*_way(states, origin, at, rules, store), str(broken)])
        offsets.append(len(edges))
        at += 1
    stuck = _stuck(states, edges, offsets)
    way = [] if stuck is None else [*_way(states, origin, stuck, rules, store), "from here no end can be reached"]
    return Explored(len(states), len(edges), way)


def _steps(world: World, rules: Rules, store: "_Store") -> Iterator[tuple[str, World]]:
    """Every step that may come next. Raises Broken for one that must not be possible."""
    record, workers, acked, effect, aside = world
    if record and record[1]:
        yield "a tick", ((record[0], record[1] - 1), workers, acked, effect, aside)
    if record and (again := store.reopen(record)) is not None:
        if record[0] is not State.POISON:
            raise Broken("an operator reopened what was no poison")
        yield "an operator reopens", (again, workers, False, effect, aside)
    for place, worker in enumerate(workers):
        if place and workers[place - 1] == worker:
            continue  # its like was here
        others = workers[:place] + workers[place + 1 :]

        def to(
            what: str,
            moved: Worker,
            known: Known = record,
            *,
            ack: bool = False,
            did: bool = False,
            set_aside: bool = False,
        ) -> tuple[str, World]:
            if ack and not (known and known[0] in FINAL):
                raise Broken(f"{what}: acknowledged, and the record is not final")
            made = tuple(sorted((*others, moved)))  # noqa: B023 - used before the loop goes on
            return what, (known, made, acked or ack, effect or did, aside or set_aside)

        stand, value = worker
        if worker != _IDLE:
            yield to("a worker dies", _IDLE)
        match stand:
            case "idle":
                yield to("a delivery", ("claiming", value))
            case "claiming":
                yield from _claiming(record, value, rules, store, to, others)
            case "working":
                first = "worked" if rules.effect_first else "retrying"
                yield to("the effect", (first, value), did=True)
                if not rules.effect_first:
                    yield to("no effect yet", ("worked", value))
                yield to("a dependency is down", ("retrying", value))
                yield to("poison", ("setting aside" if rules.quarantine_first else "poisoning", value))
                yield to("moot", ("superseding", value))
                if (longer := store.renew(record, value)) is not None:
                    yield to("a renewal", worker, longer)
            case "setting aside":
                yield to("quarantine", ("poisoning", value), set_aside=True)
                yield to("quarantine fails", ("retrying", value))
            case _:
                yield from _ending(world, stand, value, rules, store, to)


def _claiming(
    record: Known,
    memo: int,
    rules: Rules,
    store: "_Store",
    to: Callable[..., tuple[str, World]],
    others: tuple[Worker, ...],
) -> Iterator[tuple[str, World]]:
    """A claim: answered by the memo, granted, refused, or without an answer."""
    if memo:
        yield to("a duplicate, by the memo", ("idle", memo), ack=True)
        return
    yield to("the ledger is down", _IDLE)
    granted = store.claim(record)
    if granted is None:
        assert record is not None
        final = record[0] in FINAL
        yield to("refused", ("idle", int(record[0] in rules.remembered)), ack=final)
        return
    known, grows = granted
    if record is not None:
        if record[0] in FINAL:
            raise Broken("a lease of a key that had ended")
        if record[1]:
            raise Broken("a lease while another lasts")
        if not grows:
            raise Broken("a token that does not grow")
    older = tuple((stand, min(2, value + 1)) if stand in _LEASED_AT else (stand, value) for stand, value in others)

    def beside(what: str, moved: Worker) -> tuple[str, World]:
        name, (_, _, acked, effect, aside) = to(what, moved, known)
        return name, (known, tuple(sorted((*older, moved))), acked, effect, aside)

    yield beside("a lease", ("working", 0))
    yield beside("a lease, and its answer is lost", _IDLE)


def _ending(
    world: World, stand: str, value: int, rules: Rules, store: "_Store", to: Callable[..., tuple[str, World]]
) -> Iterator[tuple[str, World]]:
    """The end of a lease: taken, taken without an answer, refused to a zombie, or never arrived."""
    record, _, _, effect, aside = world
    state = _ENDS[stand]
    yield to("the ledger is down", _IDLE, ack=rules.lost_is_done and state is State.DONE)
    known = store.end(record, value, state)
    if known is None:
        yield to("a zombie is refused", _IDLE)
        return
    if record is None or record[0] is not State.LEASED or value:
        raise Broken(f"{state}: a zombie's write was taken")
    if state is State.DONE and not effect:
        raise Broken("done, and there was no effect")
    if state is State.POISON and not aside:
        raise Broken("poison, and no quarantine tells of it")
    memo = int(state in rules.remembered)
    yield to(f"{state}", ("idle", memo), known, ack=state in FINAL)
    yield to(f"{state}, and its answer is lost", _IDLE, known)


@dataclass(frozen=True, slots=True)
class _Store:
    claim: Callable[[Known], tuple[Known, bool] | None]
    end: Callable[[Known, int, State], Known]
    renew: Callable[[Known, int], Known]
    reopen: Callable[[Known], Known]


def _store(rules: Rules) -> _Store:
    """The real transitions on reduced records. Each answer is worked out once."""

    def record(known: Known) -> Record | None:
        if known is None:
            return None
        state, left = known
        until = _NOW + left if state is State.LEASED else 0.0 if state is State.RETRY else _NOW
        return Record("k", state, _TOKEN, "a", until, "", "f", _FAR, 0.0)

    def known(record: Record) -> Known:
        left = int(max(0.0, record.until - _NOW)) if record.state is State.LEASED else 0
        return record.state, left

    def lease(behind: int) -> Lease:
        return Lease("k", "a", _TOKEN - behind, 0.0, "f")

    @cache
    def claim(found: Known) -> tuple[Known, bool] | None:
        made = rules.claimed(record(found), "k", "f", owner="b", now=_NOW, until=_NOW + LEASE, expires=_FAR)
        return None if made is None else (known(made), made.token > (_TOKEN if found else 0))

    @cache
    def end(found: Known, behind: int, state: State) -> Known:
        try:
            made = rules.ended(
                record(found), lease(behind), state, code="", now=_NOW, not_before=0.0, expires=_FAR, trace=""
            )
        except Problem:
            return None
        return known(made)

    @cache
    def renew(found: Known, behind: int) -> Known:
        try:
            return known(transitions.renewed(record(found), lease(behind), now=_NOW, until=_NOW + LEASE, expires=_FAR))
        except Problem:
            return None

    @cache
    def reopen(found: Known) -> Known:
        made = rules.reopened(record(found), now=_NOW, expires=_FAR)
        return None if made is None else known(replace(made, attempts=()))

    return _Store(claim, end, renew, reopen)


def _stuck(states: list[World], edges: "array[int]", offsets: "array[int]") -> int | None:
    """A state from which none can be reached in which the record is final and the message acknowledged."""
    ends = bytearray(bool(record and record[0] in FINAL and acked) for record, _, acked, _, _ in states)
    changed = True
    while changed:
        changed = False
        for at in range(len(states) - 1, -1, -1):
            if not ends[at] and any(ends[next] for next in edges[offsets[at] : offsets[at + 1]]):
                ends[at] = changed = True
    at = ends.find(0)
    return None if at < 0 else at


def _way(states: list[World], origin: "array[int]", at: int, rules: Rules, store: _Store) -> list[str]:
    """The steps from the beginning to a state."""
    way: list[str] = []
    while at:
        before = states[origin[at]]
        way.append(next(what for what, after in _steps(before, rules, store) if after == states[at]))
        at = origin[at]
    return way[::-1]
