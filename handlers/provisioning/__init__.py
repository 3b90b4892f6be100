"""`./dev provision`: what the catalog wants against what Google Cloud has; the difference, and on request its mending.

    catalog, settings ─► wanted ─┐
                                 ├─► [compare] ─► create · change · keep · extra · refused ─► --apply ─► Google
    Google Cloud ──────► found ──┘

    pubsub     topics, push subscriptions, what holds each dead-letter and quarantine topic, and other teams' subscriptions
    bigquery   each release's dataset, tables and views, as the sink wants them; who may write, and what views may read
    firestore  the databases of the ledgers and of what lies aside: TTL, and which fields an index holds
    iam        service accounts, and every right that a handler's scopes ask for
    scheduler  the jobs that ask for reconcile and for the replays that are due
    monitoring log-based metrics, and the alert policies of schemas/alerts with whom they tell

Nothing is changed without `--apply` and nothing deleted without `--delete NAME`. Rights are added, never taken away.
"""

from handlers.provisioning.pubsub import provision
from handlers.provisioning.wanted import HOLD_DAYS, INDEX, Retry, aside, hold, index, requests

__all__ = ["HOLD_DAYS", "INDEX", "Retry", "aside", "hold", "index", "provision", "requests"]
