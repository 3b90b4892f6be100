"""A message as Pub/Sub keeps it: what was published, its id and the time. All subscriptions share it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.pubsub_v1.types import PubsubMessage

from shared.events.envelope import Message

_PROTO = PubsubMessage.pb()


@dataclass(frozen=True, slots=True)
class Stored:
    """`published` is in milliseconds since the epoch, which is as fine as Pub/Sub's own times are."""

    id: str
    published: int
    data: bytes
    attributes: dict[str, str]
    ordering_key: str

    @property
    def publish_time(self) -> str:
        """RFC 3339, as it stands in a push."""
        return instant(self.published)

    def message(self) -> Message:
        """What the publisher gave."""
        return Message(self.data, self.attributes, self.ordering_key)

    def proto(self) -> Any:
        """The message as a pull returns it."""
        proto = _PROTO(data=self.data, attributes=self.attributes, message_id=self.id, ordering_key=self.ordering_key)
        proto.publish_time.FromMilliseconds(self.published)
        return proto


def instant(milliseconds: int) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    when = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"
