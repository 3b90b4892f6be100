"""How much is too much: token buckets, what was seen a moment ago, bytes in hand. Per process, bounded in memory."""

from collections import OrderedDict

from shared.errors import Code, Problem


class Allowance:
    """A token bucket for each key: `per_minute` at once, refilled evenly. The least used keys are forgotten first."""

    def __init__(self, per_minute: int, *, keys: int = 10_000) -> None:
        self._full, self._keys = float(per_minute), keys
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now: float) -> bool:
        """Take one, if there is one. `now` is in seconds."""
        left, since = self._left.pop(key, (self._full, now))
        left = min(self._full, left + (now - since) * self._full / 60)
        granted = left >= 1
        self._left[key] = (left - 1 if granted else left, now)
        if len(self._left) > self._keys:
            self._left.popitem(last=False)
        return granted


class Recent:
    """Ids seen in the last `seconds`, at most `keys` of them."""

    def __init__(self, seconds: float = 600, *, keys: int = 100_000) -> None:
        self._seconds, self._keys = seconds, keys
        self._at: OrderedDict[str, float] = OrderedDict()

    def seen(self, id: str, now: float) -> bool:
        """Whether the id was added within the last `seconds`."""
        return now - self._at.get(id, float("-inf")) <= self._seconds

    def add(self, id: str, now: float) -> None:
        """Remember the id."""
        self._at[id] = now
        self._at.move_to_end(id)
        if len(self._at) > self._keys:
            self._at.popitem(last=False)


class Room:
    """Bytes of requests that may be in hand at once: a flood of large bodies must not end the process."""

    def __init__(self, bytes: int) -> None:
        self._left = bytes

    def take(self, size: int) -> None:
        """Take so many, each of which is given back whatever comes. Raises Problem(OVERLOADED) when there are no more."""
        self._left -= size
        if self._left < 0:
            raise Problem(Code.OVERLOADED, "body")

    def give(self, size: int) -> None:
        """Give back what was taken."""
        self._left += size
