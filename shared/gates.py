"""When a handler stops taking a tenant's messages for a while, and when it begins again.

    open ─ a dependency failed five times in a row    ─► shut for 1, 2, 4 … 30 s, or for as long as the dependency asks
    open ─ too many of the last messages were poison  ─► shut for a minute, with an alert
    shut ─ the time is over ─► one message is let in: all is well ─► open; it is not ─► shut again, for longer

Against two floods. A dependency that is down or has no quota left gets one call now and then instead of everybody's
(a circuit breaker). And a fault of ours, or of a tenant's, that makes everything look like poison does not drain a topic
into quarantine: nothing more is set aside until somebody has looked or good messages come again. What is sent back is not
lost: Pub/Sub delivers it again. A tenant has gates of its own, so that one's wrong secret does not stop another.

Left out: knowledge shared between instances. Each finds out for itself, within five messages.
"""

from collections import OrderedDict, deque

from msgspec import Struct, field

from shared.errors import Code, End, Problem
from shared.telemetry.metrics import GATES_SHUT, OTHER

FAILURES = 5  # in a row
WINDOW = 100  # messages of which too many may be poison
_LONGEST = 30.0  # seconds between two tries of a dependency that does not say when to come back
_PAUSE = 60.0  # seconds between two tries of a handler that finds only poison
_NOBODYS_FAULT = frozenset({Code.BUSY, Code.LEASE_LOST, Code.UNEXPECTED, Code.OVERLOADED, Code.STOPPING})


class Gate(Struct):
    """The gate of one handler and tenant. `limit` of the last WINDOW messages may be poison. Times are in seconds."""

    limit: int
    handler: str = OTHER
    code: Code | None = None  # why it is shut
    until: float = 0.0
    _probing: bool = False
    _failures: int = 0
    _rounds: int = 0
    _poison: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def enter(self, now: float) -> bool:
        """Let a message in; whether it is the one that tries a shut gate. Raises Problem with the gate's code."""
        if self.code is None:
            return False
        if now < self.until or self._probing:
            raise Problem(self.code, "gate", retry_after=max(1.0, self.until - now))
        self._probing = True
        return True

    def leave(self, code: Code | None, now: float, *, probe: bool, retry_after: float | None = None) -> None:
        """A message that was worked on has ended under `code` (None: well). Of a shut gate only the probe's end tells."""
        if probe:
            self._probing = False
        elif self.code is not None:
            return
        if code in _NOBODYS_FAULT or code is Code.TOO_MUCH_POISON:  # which `poison` has seen to
            return
        if code is None or code.end is not End.TRY_AGAIN:
            self._passed(poison=code is not None and code.end is End.SET_ASIDE)
            return
        self._failures += 1
        if probe or self._failures >= FAILURES:
            self._shut(code, now, retry_after or min(_LONGEST, 2.0**self._rounds))

    def poison(self, now: float) -> bool:
        """Whether one more message may be set aside. If not, the gate is shut."""
        if self.code is not Code.TOO_MUCH_POISON and sum(self._poison) < self.limit:
            return True
        self._shut(Code.TOO_MUCH_POISON, now, _PAUSE)
        return False

    def _passed(self, *, poison: bool) -> None:
        if self.code is Code.TOO_MUCH_POISON:
            self._poison.clear()
        self._poison.append(poison)
        if self.code is not None:
            GATES_SHUT.move(-1, self.handler)
        self.code, self._failures, self._rounds = None, 0, 0

    def _shut(self, code: Code, now: float, seconds: float) -> None:
        if self.code is None:
            GATES_SHUT.move(1, self.handler)
        self.code, self.until = code, now + seconds
        self._rounds = min(self._rounds + 1, 10)


class Gates:
    """A gate for each (handler, tenant), at most `size` of them."""

    def __init__(self, limit: int, *, size: int = 1000) -> None:
        self._limit, self._size = limit, size
        self._gates: OrderedDict[tuple[str, str], Gate] = OrderedDict()

    def of(self, handler: str, tenant: str) -> Gate:
        """The gate; `tenant` is empty for what never became an event."""
        gate = self._gates.get((handler, tenant))
        if gate is None:
            gate = self._gates[handler, tenant] = Gate(self._limit, handler)
            if len(self._gates) > self._size:
                (of, _), forgotten = self._gates.popitem(last=False)
                GATES_SHUT.move(-(forgotten.code is not None), of)
        return gate
