"""The envelope: a CloudEvent with typed data, and the Pub/Sub message that it travels in (binary mode).

CloudEvents 1.0 §2 and the Pub/Sub protocol binding: attributes are `ce-*` message attributes, data is JSON, and
`Content-Type` is an attribute too, so that an unwrapped push arrives as a true binary-mode CloudEvent over HTTP.
Attributes become headers and end in proxies' logs: none of them may hold a FHIR id.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct

from shared.events.data import Data

SOURCE = "urn:starvit:events"
CONTENT_TYPE = "application/json"


class Event[D: Data](Struct, frozen=True):
    """`id` and `ordering_key` are keyed hashes in hex; `correlation` is a UUID; `traceparent` is W3C trace context.

    `text` is what `data` says of itself, where whoever read the event had to write it anyway.
    """

    id: str
    data: D
    time: datetime
    handler: str  # who published it: the last part of ce-source
    correlation: str
    traceparent: str
    ordering_key: str = ""
    text: str = ""

    def identity(self) -> tuple[object, ...]:
        """See Data.identity."""
        return (self.text,) if self.text else self.data.identity()

    def message(self) -> "Message":
        """This event as a Pub/Sub message."""
        return Message(
            data=self.data.model_dump_json().encode(),
            ordering_key=self.ordering_key,
            attributes={
                "ce-specversion": "1.0",
                "ce-id": self.id,
                "ce-source": f"{SOURCE}:{self.handler}",
                "ce-type": self.data.TYPE,
                "ce-time": self.time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "ce-correlationid": self.correlation,
                "ce-traceparent": self.traceparent,
                "Content-Type": CONTENT_TYPE,
            },
        )


class Message(Struct, frozen=True):
    """What Pub/Sub carries: bytes, string attributes, and the key within which order is kept."""

    data: bytes
    attributes: Mapping[str, str]
    ordering_key: str = ""
