"""Pub/Sub on one machine: the part of google.pubsub.v1 that we use, with the promises of production.

    Google's clients ─gRPC─► server ─► publisher, subscriber ─► broker ─► backlog ─► pusher ─HTTP─► push endpoint
                                                                   ▲         └─► pull, streaming pull
                                                                   └─ dead letter

Google's emulator sends no token, no ordering key and no delivery attempt, and ignores filters; this one keeps what
production promises, and tests/contracts/pubsub holds the two against each other. What it does not have
(schemas, exactly-once delivery, exports, transforms) it refuses with UNIMPLEMENTED. IAM policies are kept and nobody is
held to them; a message storage policy is kept, and there is one region. State is in memory only.
"""

from shared.local.pubsub.backlog import Counts
from shared.local.pubsub.pusher import Fate, Faults
from shared.local.pubsub.request import Signer
from shared.local.pubsub.server import PubSub

__all__ = ["Counts", "Fate", "Faults", "PubSub", "Signer"]
