"""The two parsers that meet the outside, fed with bent requests: nothing but a Problem may come out, and not after long."""

import hashlib
import hmac
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from handlers.webhook import Hook, Webhooks
from shared.errors import Problem
from shared.events.decode import decode
from shared.events.push import parse
from shared.head import Head
from shared.identity.event_ids import EventIds
from shared.limits import Allowance, Recent
from shared.phi import Phi
from shared.sinks.memory import MemoryPublisher
from tests.attacks.mutation import Request, bent, seeds
from tests.tenant import EVENT_KEY, HOOK_SECRET, tenant

type Kind = Literal["push", "webhook"]


@dataclass(slots=True)
class Found:
    """`crashes` name the seeds of inputs that something else than a Problem came out of; `slowest` is in seconds."""

    inputs: int = 0
    accepted: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    crashes: list[tuple[str, int, str]] = field(default_factory=list)
    slowest: float = 0.0

    def __add__(self, other: "Found") -> "Found":
        return Found(
            self.inputs + other.inputs,
            self.accepted + other.accepted,
            self.codes + other.codes,
            self.crashes + other.crashes,
            max(self.slowest, other.slowest),
        )


def fuzzed(kind: Kind, first: int, count: int) -> Found:
    """Inputs `first` to `first + count`, each made from its own number."""
    found, known = Found(), seeds(kind)
    ask = _pushed if kind == "push" else _Ingress().hooked
    for number in range(first, first + count):
        chance = random.Random(number)
        request = bent(chance.choice(known), chance)
        before = time.perf_counter()
        try:
            ask(request)
            found.accepted += 1
        except Problem as problem:
            found.codes[problem.code.slug] += 1
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            found.crashes.append((kind, number, type(error).__name__))
        found.inputs += 1
        if (took := time.perf_counter() - before) > found.slowest:  # or was the machine busy? the best of three tells
            found.slowest = max(found.slowest, min(took, *(_timed(ask, request) for _ in range(2))))
    return found


def _timed(ask: Callable[[Request], None], request: Request) -> float:
    before = time.perf_counter()
    with suppress(Exception):
        ask(request)
    return time.perf_counter() - before


def _pushed(request: Request) -> None:
    decode(parse(*request))


class _Ingress:
    """The webhook over the publisher's twin; each body is signed, for an unsigned one is never read."""

    def __init__(self) -> None:
        hook = Hook(tenant(), EventIds(bytes.fromhex(EVENT_KEY)), [HOOK_SECRET.encode()])
        self._publisher = MemoryPublisher()
        plenty = Allowance(1_000_000_000)
        self._webhooks = Webhooks({"clinic": hook}, self._publisher, lambda: 1e9, plenty, plenty, Recent(keys=100))

    def hooked(self, request: Request) -> None:
        headers, body = request
        signature = hmac.new(HOOK_SECRET.encode(), body, hashlib.sha256).hexdigest().encode()
        given = [*((name, value) for name, value in headers if name != b"x-signature"), (b"x-signature", signature)]
        self._publisher.published.clear()
        running = self._webhooks.receive("clinic", Head(given), Phi(body), address="192.0.2.1")
        try:
            running.send(None)  # nothing that it awaits ever waits
        except StopIteration:
            return
        raise AssertionError("it waits")
