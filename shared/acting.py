"""What the pipeline does with an effect: publish, store, record, draw; and how a message is set aside.

The sinks are ports; a zone has only those that its service account may reach.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import batched
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from msgspec import Struct

from shared.accounts import Accounts
from shared.deid.row import patients
from shared.effects import (
    Disclose,
    Draw,
    Effect,
    NotErased,
    Otherwise,
    Prove,
    Publish,
    Purge,
    Record,
    SetAside,
    Store,
    Supersede,
    Suppress,
    Tally,
    Together,
)
from shared.erasures.port import Erasures
from shared.errors import Code, Problem
from shared.events.data import Act, Data, QualityFound, Quarantined, Reference, RuleBroken, Validated
from shared.events.envelope import Event
from shared.sinks.port import AuditWriter, Publisher, QualityLog, Warehouse
from shared.subscriber import Subscription
from shared.telemetry.metrics import CLINICAL_LAG
from shared.telemetry.spans import client_span, onward, send_span
from shared.telemetry.trace import fresh

if TYPE_CHECKING:  # their packages bring the clients of BigQuery and TigerGraph, which not every zone has
    from shared.sinks.erasing import Erasing, Proving
    from shared.sinks.tigergraph.port import Draws

_AT_ONCE = 500  # effects of a Together
_A_DAY = 86400.0  # seconds; what is older comes from a backfill, which is not about freshness


class Sinks(Struct, frozen=True):
    """Where effects go. `now` is seconds since the epoch and dates the events."""

    publisher: Publisher
    now: Callable[[], float]
    warehouse: Warehouse | None = None
    auditor: AuditWriter | None = None
    graph: "Draws | None" = None
    erasures: Erasures | None = None
    erasing: "Erasing | None" = None
    proving: "Proving | None" = None
    accounts: Accounts | None = None
    quality: QualityLog | None = None

    async def apply(self, effect: Effect, on: Subscription, event: Event[Any]) -> None:
        """Do what the effect says, as handler `on`, because of `event`. Raises Problem. Safe to repeat."""
        match effect:
            case Publish(topic, id, data, key, None):
                await self._publish(topic, id, data, on, key, event.correlation, onward(event.traceparent))
            case Publish(topic, id, data, key, str() as correlation, disclose):
                if disclose:  # noted first: of what may have left, there is a record
                    self._account_for(disclose, on, event)
                await self._publish(topic, id, data, on, key, correlation, fresh(), door=True)
                if not isinstance(data, QualityFound):
                    self._lag(on, event)
            case Store(row) if self.warehouse:
                with client_span("bigquery append"):
                    await self.warehouse.write(row)
            case Tally(found) if self.quality:
                await self.quality.tally(found)
            case Record(project, tag, audit_event) if self.auditor:
                await self.auditor.create_once(project, tag, audit_event)
            case Draw(picture) if self.graph:
                await self.graph.draw(picture)
            case NotErased(row) if self.erasures:
                if await self.erasures.among(row.project, row.key_id, patients(row)):
                    raise Problem(Code.ERASED, "patient")
            case Suppress(project, key_id, patient) if self.erasures:
                await self.erasures.suppress(project, key_id, patient)
            case Purge(project, key_id, keys) if self.erasing:
                await self.erasing.purge(project, key_id, keys)
            case Prove(erasure, found) if self.proving:
                await self.proving.prove(erasure, found)
            case Together(effects):
                await self._together(effects, on, event)
            case Otherwise(first, code, other):
                try:
                    await self.apply(first, on, event)
                except Problem as problem:
                    if problem.code is not code:
                        raise
                    await self.apply(other, on, event)
            case Supersede(code, at):
                raise Problem(code, at)
            case SetAside(code, at, rule):
                raise Problem(code, at, rule=rule)
            case _:
                raise TypeError("this zone has no sink for the effect")

    async def _together(self, effects: Sequence[Effect], on: Subscription, event: Event[Any]) -> None:
        for some in batched(effects, _AT_ONCE, strict=False):
            ends = await asyncio.gather(*(self.apply(one, on, event) for one in some), return_exceptions=True)
            for end in ends:
                if end is not None:
                    raise end

    def _account_for(self, disclose: Disclose, on: Subscription, event: Event[Any]) -> None:
        if self.accounts is None:
            raise TypeError("this zone accounts for no disclosure")
        reference, at = disclose.reference, datetime.fromtimestamp(self.now(), UTC)
        act = Act(
            event=disclose.act,
            correlation=event.correlation,
            type=reference.type,
            id=reference.id,
            version=reference.version,
            patient=disclose.patient,
            action="delete" if isinstance(reference, Validated) and reference.op == "delete" else "disclose",
            handler=on.handler,
            purpose="de-identification",
            at=at,
            disclosure=disclose.to,
        )
        self.accounts.note(act, event)

    async def set_aside(self, problem: Problem, on: Subscription, event: Event[Any] | None) -> None:
        """Publish to the handler's quarantine: the code, the place and the rule, and the event's data if it parsed."""
        model = partial(RuleBroken, rule=problem.rule) if problem.rule else Quarantined
        data = model(
            handler=on.handler,
            topic=on.topic,
            code=problem.code.slug,
            at=problem.at,
            event_id=event.id if event else None,
            event_type=event.data.TYPE if event else None,
            event=event.data.model_dump(mode="json") if event else None,
        )
        # What never parsed gets a random id: a hash of the body would be a fingerprint of what it may hold.
        id = event.id if event else secrets.token_hex(32)
        correlation, trace = (event.correlation, onward(event.traceparent)) if event else (str(uuid4()), fresh())
        key = event.ordering_key if event else ""
        await self._publish(on.quarantine, id, data, on, key, correlation, trace)

    async def _publish(
        self,
        topic: str,
        id: str,
        data: Data,
        on: Subscription,
        key: str,
        correlation: str,
        trace: str,
        *,
        door: bool = False,
    ) -> None:
        time = datetime.fromtimestamp(self.now(), UTC)
        with send_span(topic, trace, door=door) as traceparent:
            out = Event(id, data, time, on.handler, correlation, traceparent, ordering_key=key)
            await self.publisher.publish(topic, out.message())

    def _lag(self, on: Subscription, event: Event[Any]) -> None:
        """How long a change took to get through the door. Only here are both times known: beyond it is no clinical one."""
        if isinstance(event.data, Reference):
            seconds = self.now() - datetime.fromisoformat(event.data.last_updated).timestamp()
            if seconds < _A_DAY:
                CLINICAL_LAG.observe(seconds, on.handler)
