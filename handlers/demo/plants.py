"""One fault on purpose, so that the judge can show that it sees: lost, duplicated or leaked.

Each goes the way in which it would really happen, over Pub/Sub and the service, not into the judge's own books.
"""

import json
from collections.abc import Sequence
from copy import replace

from shared.events.envelope import Message
from shared.local.clinic.identifiers import Form, Identifier, Secrecy
from shared.local.pubsub import PubSub
from shared.sinks.pubsub import PubSubPublisher

DEIDENTIFIED = "fhir.deidentified"


def lose(pubsub: PubSub) -> None:
    """Pub/Sub breaks its promise: one message to deid is acknowledged and never delivered."""
    pubsub.lose_next("fhir.validated--deid")


async def duplicate(publisher: PubSubPublisher, messages: Sequence[tuple[str, Message]]) -> None:
    """A door that does not keep its word: the same version again, as another event with another sequence."""
    message = next(message for topic, message in reversed(messages) if topic == DEIDENTIFIED)
    row = json.loads(message.data)
    time, rank, tie, generation = row["sequence"].split("/")
    row["sequence"] = "/".join((time, rank, f"{int(tie, 16) ^ 1:016x}", generation))
    attributes = {**message.attributes, "ce-id": message.attributes["ce-id"][::-1]}
    await publisher.publish(DEIDENTIFIED, replace(message, data=json.dumps(row).encode(), attributes=attributes))


async def leak(publisher: PubSubPublisher, identifiers: Sequence[Identifier]) -> None:
    """A careless publisher: somebody's name as the place of an error, in a quarantine topic."""
    names = [one for one in identifiers if one.form is Form.NAME and one.secrecy is Secrecy.PHI]
    name = next((one for one in names if one.kind.startswith("Patient.name")), names[0])
    attributes = {"ce-specversion": "1.0", "ce-type": "io.starvit.quarantined.v1", "ce-id": "0" * 64}
    data = json.dumps({"handler": "deid", "topic": "fhir.validated", "code": "resource-invalid", "at": name.value})
    await publisher.publish("deid.quarantine", Message(data.encode(), attributes))
