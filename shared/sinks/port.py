"""The ports of the sinks. Each is kept by a real adapter and by a memory twin, proven by one contract suite."""

from typing import Protocol

from shared.deid.row import SafeRow
from shared.events.envelope import Message


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
