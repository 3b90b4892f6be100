"""The servers of the simulation: what a quota or a machine does to whoever comes, as events in virtual time.

    Rate     so much a second, first come first served, as a CPU or a pipe
    Warming  the same, and more with time: a cold collection of Firestore
    Windows  points of each fixed minute, of several purses at once: a client's, its project's, an address's requests
    Batches  a call now and then, each for as many as wait, up to a bound: DLP's requests

A parcel is a number of events that came together; a server may let a part of it through and keep the rest.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count as counting

MINUTE = 60.0
type Onward = Callable[[float, float, float], None]  # now, when it had come into the world, how many events
_LITTLE = 1e-6  # of an event: what a float may leave over


@dataclass(slots=True)
class World:
    """Virtual time: the next thing that happens is the earliest."""

    now: float = 0.0
    _next: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: "counting[int]" = field(default_factory=counting)

    def at(self, when: float, what: Callable[[], None]) -> None:
        heappush(self._next, (when, next(self._order), what))

    def run(self, until: float) -> None:
        while self._next and self._next[0][0] < until:
            self.now, _, what = heappop(self._next)
            what()
        self.now = until


@dataclass(slots=True)
class Rate:
    """`rate`: events a second. `takes`: seconds that an event is in it beside the queue."""

    world: World
    name: str
    rate: float
    onward: Onward
    takes: float = 0.0
    free: float = 0.0

    def take(self, born: float, events: float) -> None:
        self.free = max(self.free, self.world.now) + events / self.rate
        self.world.at(self.free + self.takes, lambda: self.onward(self.world.now, born, events))

    def waits(self) -> float:
        """Events in the queue."""
        return max(0.0, self.free - self.world.now) * self.rate


@dataclass(slots=True)
class Warming(Rate):
    """`rate` is that of now: it grows by `growth` every `every` seconds."""

    growth: float = 1.0
    every: float = 5 * MINUTE
    _warmed: int = 0

    def take(self, born: float, events: float) -> None:
        steps = int(max(self.free, self.world.now) // self.every)  # of the time when this parcel's turn comes
        self.rate *= self.growth ** (steps - self._warmed)
        self._warmed = steps
        Rate.take(self, born, events)


@dataclass(slots=True)
class Purse:
    """What may be spent in each minute; what is left at its end is lost."""

    size: float
    _left: float = 0.0
    _end: float = 0.0

    def left(self, now: float) -> float:
        if now >= self._end:
            self._left, self._end = self.size, (now // MINUTE + 1) * MINUTE
        return self._left

    def spend(self, much: float) -> None:
        self._left -= much


@dataclass(slots=True)
class Windows:
    """Events that each ask `asked` of every purse. `pace`: how fast what has waited comes back, events a second."""

    world: World
    name: str
    purses: tuple[tuple[Purse, float], ...]
    pace: float
    onward: Onward
    _waiting: deque[tuple[float, float]] = field(default_factory=deque)
    _awake: bool = False
    _slice: float = 0.2

    def take(self, born: float, events: float) -> None:
        self._waiting.append((born, events))
        if not self._awake:
            self._awake = True
            self.world.at(self.world.now, self._work)

    def waits(self) -> float:
        return sum(events for _, events in self._waiting)

    def _work(self) -> None:
        now = self.world.now
        room = min(self.pace * self._slice, *(purse.left(now) / asked for purse, asked in self.purses))
        while self._waiting and room > _LITTLE:
            born, events = self._waiting.popleft()
            if events > room + _LITTLE:
                self._waiting.appendleft((born, events - room))
                events = room
            room -= events
            for purse, asked in self.purses:
                purse.spend(events * asked)
            self.onward(now, born, events)
        self._awake = bool(self._waiting)
        if self._awake:
            self.world.at(now + self._slice, self._work)


@dataclass(slots=True)
class _Wanted:
    """A parcel whose rows wait for their text, but not for ever."""

    born: float
    left: float
    late: bool = False


@dataclass(slots=True)
class Batches:
    """A request every `every` seconds, for `room` events. After `patience` seconds the row goes without: `released`."""

    world: World
    name: str
    every: float
    room: float
    patience: float
    released: Onward
    answered: Onward
    _waiting: deque[_Wanted] = field(default_factory=deque)
    _next: float = 0.0
    _awake: bool = False

    def take(self, born: float, events: float) -> None:
        wanted = _Wanted(born, events)
        self._waiting.append(wanted)
        self.world.at(self.world.now + self.patience, lambda: self._give_up(wanted))
        if not self._awake:
            self._awake = True
            self.world.at(max(self.world.now, self._next), self._ask)

    def waits(self) -> float:
        return sum(wanted.left for wanted in self._waiting)

    def _ask(self) -> None:
        now, room = self.world.now, self.room
        self._next = now + self.every
        while self._waiting and room > _LITTLE:
            wanted = self._waiting[0]
            events = min(wanted.left, room)
            wanted.left -= events
            room -= events
            if wanted.left <= _LITTLE:
                self._waiting.popleft()
            self.answered(now, wanted.born, events)
            if not wanted.late:
                self.released(now, wanted.born, events)
        self._awake = bool(self._waiting)
        if self._awake:
            self.world.at(self._next, self._ask)

    def _give_up(self, wanted: _Wanted) -> None:
        if wanted.left > _LITTLE:
            wanted.late = True
            self.released(self.world.now, wanted.born, wanted.left)
