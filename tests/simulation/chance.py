"""Every die that the simulation throws has a name: a throw depends on the seed and on what it is for, not on the order.

So a world from which a change or a fault was taken away still throws the same for the rest, and a failing world shrinks.
"""

from collections import Counter
from hashlib import blake2b

_WHOLE = float(2**64)


class Chance:
    """The dice of one seed."""

    def __init__(self, seed: int) -> None:
        self._key = seed.to_bytes(8)
        self._thrown: Counter[str] = Counter()

    def throw(self, name: str) -> float:
        """The next throw of the named die: uniform in [0, 1)."""
        self._thrown[name] += 1
        digest = blake2b(f"{name}#{self._thrown[name]}".encode(), key=self._key, digest_size=8).digest()
        return int.from_bytes(digest) / _WHOLE

    def happens(self, name: str, probability: float) -> bool:
        """Whether something of this probability happens."""
        return probability > 0 and self.throw(name) < probability

    def between(self, name: str, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * self.throw(name)

    def one_of[T](self, name: str, choices: "list[T] | tuple[T, ...]") -> T:
        """One of them."""
        return choices[int(self.throw(name) * len(choices))]
