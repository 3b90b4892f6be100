"""What the network does to the demo: webhooks and pushes that never arrive, arrive twice, or come late or out of turn.

A fate hangs on the seed and on what is delivered, not on when it is asked for: the same hook has the same fate in each
run, however many workers race. Each attempt has a fate of its own, so a sender that tries again gets through.
"""

import hashlib
from collections import Counter
from typing import Literal, Protocol

from shared.events.envelope import Message

DROPPED, DOUBLED, DELAYED = 0.05, 0.05, 0.10
LONGEST = 0.5  # seconds

type Fate = Literal["deliver", "drop", "twice"] | float

_COUNTED = {"deliver": "delivered", "drop": "dropped", "twice": "doubled"}


class Hook(Protocol):
    """A webhook on its way, as shared.local.medplum has it."""

    @property
    def interaction(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def attempt(self) -> int: ...


class Faults:
    """Fates by chance, and how many of each there were. Without `enabled` everything is delivered."""

    def __init__(self, seed: int, enabled: bool) -> None:
        self._seed, self._enabled = seed, enabled
        self._attempts: Counter[tuple[str, str]] = Counter()
        self.hooks: Counter[str] = Counter()
        self.pushes: Counter[str] = Counter()

    def on_hook(self, hook: Hook) -> Fate:
        """What happens to an attempt to deliver a webhook."""
        fate = self._fate("hook", hook.interaction, hook.type, hook.id, hook.version, hook.attempt)
        return _counted(self.hooks, fate)

    def before_push(self, subscription: str, message: Message) -> Fate:
        """What happens to an attempt to push a message. The attempts of one event are counted here."""
        event = message.attributes.get("ce-id") or hashlib.sha256(message.data).hexdigest()
        self._attempts[subscription, event] += 1
        return _counted(self.pushes, self._fate("push", subscription, event, self._attempts[subscription, event]))

    def _fate(self, *what: object) -> Fate:
        if not self._enabled:
            return "deliver"
        digest = hashlib.blake2b("|".join(map(str, (self._seed, *what))).encode(), digest_size=16).digest()
        chance, rest = (int.from_bytes(half) / 2**64 for half in (digest[:8], digest[8:]))
        if chance < DROPPED:
            return "drop"
        if chance < DROPPED + DOUBLED:
            return "twice"
        return rest * LONGEST if chance < DROPPED + DOUBLED + DELAYED else "deliver"


def _counted(counts: Counter[str], fate: Fate) -> Fate:
    counts["delayed" if isinstance(fate, float) else _COUNTED[fate]] += 1
    return fate
