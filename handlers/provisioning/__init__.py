"""`./dev provision`: what the catalog wants against what Google Cloud has; the difference, and on request its mending.

    catalog, settings ─► wanted ─┐
                                 ├─► [compare] ─► create · change · keep · extra · refused ─► --apply ─► Google
    Google Cloud ──────► found ──┘

    pubsub     topics, push subscriptions, and a pull subscription that holds each dead-letter and quarantine topic
    bigquery   each release's dataset, tables and views; who may write, and which views analysts may read
    firestore  the ledgers' databases: TTL, and fields that no index should hold
    iam        service accounts, and every right that a handler's scopes ask for
    scheduler  the job that asks for reconcile

Nothing is changed without `--apply` and nothing deleted without `--delete NAME`. Rights are added, never taken away.
"""

from handlers.provisioning.pubsub import provision
from handlers.provisioning.wanted import HOLD_DAYS, INDEX, Retry, aside, hold, index, requests

__all__ = ["HOLD_DAYS", "INDEX", "Retry", "aside", "hold", "index", "provision", "requests"]
