"""Medplum's quota: points for each client and minute, ten times that for its project, in fixed windows.

A window opens with the first interaction and its length is one minute. Once a client has nothing left everything of its
is refused, reads too, and there is no Retry-After: only the RateLimit header says when the window ends.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from shared.local.medplum.outcomes import Refused, throttled

READ, HISTORY, SEARCH, WRITE = 1, 10, 20, 100
MINUTE = 60.0


@dataclass(slots=True)
class Window:
    """What is used of `limit` in the window that ends at `end` (monotonic seconds)."""

    limit: int
    name: str = "fhirInteractions"
    used: int = 0
    end: float = 0.0

    def take(self, points: int, now: float) -> None:
        """Use points, or raise Refused (429)."""
        if now >= self.end:
            self.used, self.end = 0, now + MINUTE
        spent = self.used >= self.limit
        if not spent:
            self.used += points
        if spent or self.used > self.limit:
            raise Refused(throttled(consumed=self.used, ms=int((self.end - now) * 1000), limit=self.limit))

    def left(self, now: float) -> int:
        """The points that are left."""
        return max(0, self.limit - self.used) if now < self.end else self.limit

    def header(self, now: float) -> str:
        """The value of the RateLimit header."""
        return f'"{self.name}";r={self.left(now)};t={ceil(self.end - now) if now < self.end else 60}'


@dataclass(frozen=True, slots=True)
class Quota:
    """A client's window and its project's; an interaction uses both."""

    client: Window
    project: Window
    clock: Callable[[], float]

    def take(self, points: int) -> None:
        """Use points, or raise Refused (429)."""
        now = self.clock()
        self.client.take(points, now)
        self.project.take(points, now)

    def header(self) -> str:
        """The RateLimit header: of the window with less left."""
        now = self.clock()
        return min((self.client, self.project), key=lambda window: window.left(now)).header(now)
