"""The shared ledger, watched: every step that the protocol forbids is written down, whoever took it.

It judges by the records before and after a step, not by the transition functions, which may be what is broken.
"""

from collections import Counter, defaultdict

from shared.ledger.memory import MemoryLedger
from shared.ledger.port import Lease, Record, State

_LAST_WORDS = (State.DONE, State.SUPERSEDED)


class WatchedLedger(MemoryLedger):
    """`wrongs` are sentences. `done` counts the accepted ends of each key."""

    def __init__(self) -> None:
        super().__init__()
        self.wrongs: list[str] = []
        self.done: Counter[str] = Counter()
        self.worked: set[str] = set()
        self.tokens: defaultdict[str, list[int]] = defaultdict(list)

    async def claim(self, key: str, fingerprint: str, *, owner: str, now: float, until: float) -> Lease | Record:
        before = self._records.get(key)
        found = await super().claim(key, fingerprint, owner=owner, now=now, until=until)
        if isinstance(found, Lease):
            if before is not None and before.state in _LAST_WORDS and before.expires > now:
                self.wrongs.append("a lease of a key whose work was done")
            if before is not None and before.state is State.POISON and before.expires > now:
                self.wrongs.append("a lease of poison that no operator reopened")
            if before is not None and before.state is State.LEASED and before.until > now:
                self.wrongs.append("two leases of one key at one time")
            if _event(key) in self.worked:
                self.wrongs.append("work begins again on an event that was done")
            if self.tokens[key] and found.token <= self.tokens[key][-1]:
                self.wrongs.append("a token that does not grow")
            self.tokens[key].append(found.token)
        return found

    async def finish(
        self, lease: Lease, state: State, *, code: str = "", now: float, not_before: float = 0, trace: str = ""
    ) -> None:
        before = self._records.get(lease.key)
        await super().finish(lease, state, code=code, now=now, not_before=not_before, trace=trace)
        if before is None or before.state is not State.LEASED or before.token != lease.token:
            self.wrongs.append("a zombie's write was taken")
        if state is State.DONE:
            self.worked.add(_event(lease.key))
            self.done[lease.key] += 1
            if self.done[lease.key] > 1:
                self.wrongs.append("a key done twice")

    def records(self) -> list[Record]:
        """All that it holds."""
        return list(self._records.values())


def _event(key: str) -> str:
    """Handler and event, whatever else somebody made a part of the key."""
    handler, _, id = key.partition(":")
    return f"{handler}:{id[:64]}"
