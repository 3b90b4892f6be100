"""Who moved or copied dead letters, and why: told to each tenant's own record.

    plan ─► [this] ─► ops.audit ─► audit (clinical zone) ─► AuditEvent in the tenant's Medplum

Ops can not reach Medplum: what it orders is done by the zone that has the right. It is told before the first message is
moved, and nothing is moved if it can not be; and again when the run has ended. An event of a run has one id for ever.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

from msgspec import Struct

from shared.deadletters.port import Plan, Stage
from shared.events.data import OperationAudited, OperationExported
from shared.events.envelope import Event
from shared.sinks.port import Publisher
from shared.telemetry.trace import fresh

TOPIC = "ops.audit"
_OUTCOMES: dict[Stage, Literal["done", "stopped", "cancelled"]] = {
    Stage.DONE: "done",
    Stage.STOPPED: "stopped",
    Stage.CANCELLED: "cancelled",
}

type Action = Literal["replay", "purge", "approve", "cancel"]


class Accounts(Struct, frozen=True):
    """`now` is seconds since the epoch."""

    publisher: Publisher
    now: Callable[[], float]

    async def tell(self, plan: Plan, action: Action, *, by: str, ended: bool = False) -> None:
        """One event for each tenant whose messages the plan has. Raises Problem(PUBSUB_DOWN)."""
        stage: Literal["begun", "ended"] = "ended" if ended else "begun"
        for project in plan.projects:
            at = datetime.fromtimestamp(self.now(), UTC)
            data = OperationAudited(
                project=project,
                action=action,
                stage=stage,
                plan=plan.id,
                messages=plan.done if ended else plan.messages - plan.done,
                by=by,
                reason=plan.reason,
                outcome=_OUTCOMES.get(plan.stage, "") if ended else "",
                at=at,
            )
            await self._publish([plan.id, plan.made, action, stage, plan.runs, project, by], data)

    async def exported(self, said: OperationExported) -> None:
        """One event for one stage of a copy, and for one tenant. Raises Problem(PUBSUB_DOWN)."""
        await self._publish([said.plan, said.action, said.stage, said.project], said)

    async def _publish(self, name: list[object], data: OperationAudited | OperationExported) -> None:
        id = hashlib.sha256(json.dumps(name).encode()).hexdigest()
        await self.publisher.publish(TOPIC, Event(id, data, data.at, "ops", str(uuid4()), fresh()).message())
