"""The life of one message, on one page: verify, decode, claim, read, handle, apply, done.

    push request ─► verify ─► decode ─► claim ─► read ─► handle ─► apply ─► done ─► 204
                      │         │         │        └───────┴─────────┴─► superseded (204), set aside (204),
                      ▼         ▼         ▼                              or try again (409, 429, 503, 504)
                   401, 403  quarantine  duplicate (204), busy (409)

Every message of every handler runs through `Pipeline.run`: no middleware, no signal, no hook does work elsewhere.
Nothing here can hold a resource: this module is imported beyond the door.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from msgspec import Struct

from shared.accounts import Accounts
from shared.acting import Sinks
from shared.deadlines import Deadlines
from shared.errors import Code, End, Problem
from shared.events.data import Act
from shared.events.decode import decode
from shared.events.envelope import Event
from shared.events.push import Push, parse
from shared.gates import Gates
from shared.head import Head
from shared.identity.push import PushTokens, credential
from shared.ledger.port import FINAL, Lease, Ledger, State
from shared.settings import Settings
from shared.subscriber import Route, Subscription
from shared.telemetry.metrics import IN_FLIGHT, LEASE_WAITS, QUARANTINED
from shared.telemetry.report import failed, finished, follow, stopped
from shared.telemetry.spans import message_span, recording, trace_in_hand

UNKNOWN_FAILURES = 3  # leases after which a failure that nobody foresaw counts as poison
POLL = 0.1  # seconds between looks at a lease that another worker holds
SPARE = 0.5  # seconds before the deadline at which waiting for a lease ends


class Answer(Struct, frozen=True):
    """What the endpoint says: 204, or the status of a code. `duplicate`: the work was done before."""

    status: int = 204
    code: Code | None = None
    duplicate: bool = False
    retry_after: float | None = None


class Pipeline:
    """Runs messages; one for each process. `now` is seconds since the epoch."""

    def __init__(
        self,
        settings: Settings,
        *,
        tokens: PushTokens,
        ledger: Ledger,
        sinks: Sinks,
        accounts: Accounts,
        owner: str,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings, self._tokens, self._ledger, self._sinks = settings, tokens, ledger, sinks
        self._accounts, self._owner, self._now, self._sleep = accounts, owner, now, sleep
        self._gates, self._deadlines = Gates(settings.poison_limit), Deadlines(settings.deadline)
        self._callers = cache(lambda handler: (settings.account(handler), settings.audience(handler)))
        self._in_work: set[asyncio.Task[object] | None] = set()
        self._stopping = False

    async def run(self, route: Route, head: Head, body: bytes) -> Answer:
        """The answer to one push request. Raises nothing but CancelledError."""
        if self._stopping or len(self._in_work) >= self._settings.concurrency:
            return _answer(Problem(Code.STOPPING if self._stopping else Code.OVERLOADED))
        started, push, event, task = self._now(), None, None, asyncio.current_task()
        self._in_work.add(task)
        IN_FLIGHT.move(1, route.on.handler)
        try:
            with self._deadlines.one():
                await self._verify(route, head)
                push = parse(head.pairs, body)
                event = self._decode(route, push)
                with message_span(
                    route.on.topic, route.on.name, event.traceparent, head, push.delivery_attempt
                ) as ended:
                    if recording():
                        follow(event)  # its span has another trace
                    answer = await self._gated(route, event, started + self._settings.deadline - SPARE)
                    ended(answer.code)
        except TimeoutError:
            answer = _answer(Problem(Code.DEADLINE))
        except Problem as problem:
            answer = await self._refuse(route, problem)
        finally:
            self._in_work.discard(task)
            IN_FLIGHT.move(-1, route.on.handler)
        now = self._now()
        finished(
            route.on,
            status=answer.status,
            code=answer.code,
            duplicate=answer.duplicate,
            seconds=now - started,
            age=now - event.time.timestamp() if event else None,
            shape=push.shape if push else None,
            attempt=push.delivery_attempt if push else None,
        )
        return answer

    async def stop(self, within: float) -> None:
        """Take no more, let what is in work end, and after `within` seconds give the rest of the leases back."""
        self._stopping = True
        if tasks := [task for task in self._in_work if task]:
            _, late = await asyncio.wait(tasks, timeout=within)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _verify(self, route: Route, head: Head) -> None:
        account, audience = self._callers(route.on.handler)
        await self._tokens.verify(credential(head), account=account, audience=audience)

    def _decode(self, route: Route, push: Push) -> Event[Any]:
        if push.subscription and push.shape != "eventarc" and push.subscription.rpartition("/")[2] != route.on.name:
            raise Problem(Code.WRONG_CALLER, "subscription")
        event = decode(push)
        follow(event)  # here already: what is refused below is told with its thread
        if not isinstance(event.data, route.on.takes):
            raise Problem(Code.UNKNOWN_TYPE, "ce-type")
        return event

    async def _gated(self, route: Route, event: Event[Any], give_up: float) -> Answer:
        """Work on the event, unless this handler takes none of the tenant's for now; the gate learns how it ends."""
        gate = self._gates.of(route.on.handler, event.data.project)
        probe, end = gate.enter(self._now()), Answer(code=Code.DEADLINE)
        try:
            end = await self._once(route, event, give_up)
        except Problem as problem:
            end = _answer(problem)
            raise
        else:
            return end
        finally:
            code = Code.BUSY if end.duplicate else end.code  # neither tells how things stand
            gate.leave(code, self._now(), probe=probe, retry_after=end.retry_after)

    async def _once(self, route: Route, event: Event[Any], give_up: float) -> Answer:
        """Claim the event, work on it, and write down how that ended."""
        lease = await self._claim(route, event, give_up)
        if isinstance(lease, Answer):
            return lease
        try:
            await self._work(route, event)
            await self._finish(event, lease, State.DONE)
            return Answer()
        except Problem as problem:
            return await self._end(route, event, lease, problem)
        except asyncio.CancelledError:  # another worker may begin at once
            code = Code.DEADLINE if self._now() >= give_up else Code.STOPPING
            await asyncio.shield(asyncio.ensure_future(self._finish(event, lease, State.RETRY, code)))
            raise
        except Exception as error:  # noqa: BLE001 - what nobody foresaw is tried again, and then set aside
            failed(route.on, error)
            poison = lease.token >= UNKNOWN_FAILURES
            return await self._end(route, event, lease, Problem(Code.HANDLER_FAILED if poison else Code.UNEXPECTED))

    async def _claim(self, route: Route, event: Event[Any], give_up: float) -> Lease | Answer:
        """The lease; or the answer for a duplicate, a reused key, or a lease that another held for too long."""
        key, fingerprint = f"{route.on.handler}:{event.id}", _fingerprint(event)
        while True:
            now = self._now()
            until = now + self._settings.lease
            found = await self._ledger.claim(key, fingerprint, owner=self._owner, now=now, until=until)
            if isinstance(found, Lease):
                return found
            if found.fingerprint != fingerprint:
                return _answer(await self._set_aside(Problem(Code.KEY_REUSE, "ce-id"), route.on, event))
            if found.state in FINAL:
                return Answer(duplicate=True)
            if now + POLL >= give_up:
                raise Problem(Code.BUSY)
            LEASE_WAITS.add(1, route.on.handler)
            await self._sleep(POLL)

    async def _work(self, route: Route, event: Event[Any]) -> None:
        """Read what the handler needs, let it decide, do what it decided; and account for what was read, however it ends."""
        async with self._accounts.accounted():
            try:
                given = await route.read.fetch(event)
            except Problem as problem:
                if problem.code.end is End.SET_ASIDE:  # the answer was bad, but it was PHI that came
                    self._account_for(route.read.access(event, None), event)
                raise
            self._account_for(route.read.access(event, given), event)
            for effect in await route.handle(event, given):
                await self._sinks.apply(effect, route.on, event)

    def _account_for(self, access: Act | None, event: Event[Any]) -> None:
        if access:
            self._accounts.note(access, event)

    async def _end(self, route: Route, event: Event[Any], lease: Lease, problem: Problem) -> Answer:
        """Write down a bad end. Quarantine comes first: a crash between the two repeats it, and loses nothing."""
        if problem.code.end is End.SET_ASIDE:
            problem = await self._set_aside(problem, route.on, event)
        state = {End.SUPERSEDED: State.SUPERSEDED, End.SET_ASIDE: State.POISON}.get(problem.code.end, State.RETRY)
        await self._finish(event, lease, state, problem.code)
        return _answer(problem)

    async def _finish(self, event: Event[Any], lease: Lease, state: State, code: Code | None = None) -> None:
        slug, trace = code.slug if code else "", trace_in_hand(event.traceparent)
        await self._ledger.finish(lease, state, code=slug, now=self._now(), trace=trace)

    async def _set_aside(self, problem: Problem, on: Subscription, event: Event[Any] | None) -> Problem:
        """Publish to quarantine, unless too much went there of late. The problem that the message ends with."""
        if not self._gates.of(on.handler, event.data.project if event else "").poison(self._now()):
            stopped(on, problem.code)
            return Problem(Code.TOO_MUCH_POISON, "quarantine")
        try:
            await self._sinks.set_aside(problem, on, event)
        except Problem as unpublished:
            return unpublished
        QUARANTINED.add(1, on.handler, problem.code.slug)
        return problem

    async def _refuse(self, route: Route, problem: Problem) -> Answer:
        """The end of a message that never became an event, or that no lease was had for."""
        if problem.code.end is not End.SET_ASIDE:
            return _answer(problem)
        gate = self._gates.of(route.on.handler, "")
        problem = await self._set_aside(problem, route.on, None)
        gate.leave(problem.code, self._now(), probe=False)
        return _answer(problem)


def _answer(problem: Problem) -> Answer:
    return Answer(problem.code.status, problem.code, retry_after=problem.retry_after)


def _fingerprint(event: Event[Any]) -> str:
    """A keyed hash of what the event says; the key is the event's own id, which is a secret-keyed hash itself."""
    key = event.id.encode()[:64]
    return hashlib.blake2b(repr(event.identity()).encode(), key=key, digest_size=16).hexdigest()
