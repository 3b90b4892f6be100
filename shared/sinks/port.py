"""The ports of the sinks. Each is kept by a real adapter and by a memory twin, proven by one contract suite."""

from collections.abc import Mapping
from typing import Protocol

from shared.deid.row import SafeRow
from shared.events.envelope import Message
from shared.sinks.quality import QualityRow


class Publisher(Protocol):
    async def publish(self, topic: str, message: Message) -> None:
        """Returns when Pub/Sub has confirmed the message. `topic` is the short name.

        Raises Problem(PUBSUB_DOWN) on every outcome that is not a confirmation, unknown outcomes included.
        """
        ...

    async def close(self) -> None: ...


class Warehouse(Protocol):
    async def write(self, row: SafeRow) -> None:
        """Put the row into the current rows (newest sequence wins, whatever the order) and into the change log.

        Returns when both are durable. Idempotent. Raises Problem(WAREHOUSE_DOWN | ROW_REFUSED).
        """
        ...

    async def close(self) -> None: ...


class QualityLog(Protocol):
    async def tally(self, row: QualityRow) -> None:
        """Put the row into the data-quality table: once for its key, rule and severity, however often it comes.

        Returns when it is durable. Raises Problem(WAREHOUSE_DOWN | ROW_REFUSED | UNKNOWN_PROJECT).
        """
        ...

    async def close(self) -> None: ...


class AuditWriter(Protocol):
    async def create_once(self, project: str, tag: str, audit_event: Mapping[str, object]) -> bool:
        """Create the AuditEvent (or Task) unless one with this meta.tag code (system urn:starvit:event) is there.

        True when it was created. Race-safe: If-None-Exist. Raises Problem: UNKNOWN_PROJECT, AUDIT_REFUSED (400, 422),
        MEDPLUM_DOWN, MEDPLUM_BUSY (429, with retry_after from the RateLimit header), MEDPLUM_DENIED.
        """
        ...

    async def close(self) -> None: ...
