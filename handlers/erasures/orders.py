"""An order to erase a patient, in rounds, until one finds nothing.

    begun ─► ops.audit          round n ─► privacy.erase ─► … ─► a proof of each dataset ─┬─ something found ─► round n + 1
                                                                                         └─ nothing ─► ended ─► ops.audit

Each round does the whole work again and is safe to repeat; a second order for the same patient is one more round. The
patient's id is in the event's data and nowhere else: not in its id, not in a log, not in a proof.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import uuid4

from shared.erasures.port import Erasures, Proof
from shared.events.data import Data, ErasureOrdered, OperationAudited
from shared.events.envelope import Event
from shared.sinks.port import Publisher
from shared.telemetry.trace import fresh

TOPIC, AUDIT = "privacy.erase", "ops.audit"
_POLL, _SETTLE = 0.25, 2.0  # seconds: between looks for a proof; for the graph to follow, before the next round

# For how long what was erased can still be had by Google, or by an administrator: BigQuery's time travel, the fail-safe
# after it, and the longest that Pub/Sub keeps a message (quarantine and dead letters hold de-identified rows).
TIME_TRAVEL, FAIL_SAFE, PUBSUB = timedelta(days=7), timedelta(days=14), timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Order:
    """Whom to forget, on whose word. `patient` is Medplum's id."""

    project: str
    patient: str = field(repr=False)
    by: str
    reason: str
    dry_run: bool
    id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Orders:
    """`now` is seconds since the epoch."""

    publisher: Publisher
    erasures: Erasures
    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    settle: float = _SETTLE

    async def carry_out(self, order: Order, patience: float) -> AsyncIterator[Sequence[Proof]]:
        """The proofs of each round as it ends; ends when a round found nothing, or after `patience` seconds."""
        until = self.now() + patience
        if not order.dry_run:
            await self._tell(order, "begun", 0, "")
        resources, proven = 0, False
        for round in range(1, 1001):
            await self._round(order, round)
            proofs = await self._proofs(order, round, until)
            if proofs:
                yield proofs
            resources = max(resources, sum(proof.resources for proof in proofs))
            proven = bool(proofs) and all(proof.empty for proof in proofs)
            if order.dry_run or proven or self.now() + self.settle >= until:
                break
            await self.sleep(self.settle)
        if not order.dry_run:
            await self._tell(order, "ended", resources, "done" if proven else "stopped")

    async def _round(self, order: Order, round: int) -> None:
        data = ErasureOrdered(
            project=order.project,
            patient=order.patient,
            order=order.id,
            round=round,
            dry_run=order.dry_run,
            by=order.by,
            reason=order.reason,
            at=order.at,
        )
        await self._publish(TOPIC, f"{order.id}/{round}", data)

    async def _proofs(self, order: Order, round: int, until: float) -> Sequence[Proof]:
        """The round's proofs, all of them; none if they do not come in time."""
        while True:
            found = [proof for proof in await self.erasures.proofs(order.id) if proof.round == round]
            if found and len(found) >= found[0].datasets:
                return found
            if self.now() >= until:
                return ()
            await self.sleep(_POLL)

    async def _tell(
        self, order: Order, stage: Literal["begun", "ended"], resources: int, outcome: Literal["", "done", "stopped"]
    ) -> None:
        data = OperationAudited(
            project=order.project,
            action="erase",
            stage=stage,
            plan=order.id,
            messages=resources,
            by=order.by,
            reason=order.reason,
            outcome=outcome,
            at=datetime.fromtimestamp(self.now(), UTC),
        )
        await self._publish(AUDIT, f"{order.id}/{stage}", data)

    async def _publish(self, topic: str, name: str, data: Data) -> None:
        """The id is of the order's random name, so that no id tells of the patient."""
        id, at = hashlib.sha256(name.encode()).hexdigest(), datetime.fromtimestamp(self.now(), UTC)
        await self.publisher.publish(topic, Event(id, data, at, "ops", str(uuid4()), fresh()).message())


def told(proof: Proof) -> dict[str, object]:
    """A proof as operators see it: what was found and left, and until when old bytes can still be had."""
    at = datetime.fromisoformat(proof.at)
    windows = {"time_travel": TIME_TRAVEL, "fail_safe": FAIL_SAFE, "pubsub": PUBSUB}
    return {
        "order": proof.order,
        "round": proof.round,
        "project": proof.project,
        "key_id": proof.key_id,
        "dry_run": proof.dry_run,
        "resources": proof.resources,
        "before": dict(proof.before),
        "after": dict(proof.after),
        "empty": proof.empty,
        "ordered": proof.ordered,
        "at": proof.at,
        "old_bytes_until": {name: (at + window).isoformat() for name, window in windows.items()},
    }
