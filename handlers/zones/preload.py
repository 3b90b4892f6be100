"""What gunicorn loads once for all its workers, so that one that replaces a dead one is back in a fraction of the time.

    gunicorn: modules, policies, views, word lists ─► fork ─► worker: keys, clients, connections

Only where there are several (one machine): an instance in the cloud has one worker, for which this would be the same work
done elsewhere and the memory held twice. Nothing is connected and no thread is begun here, for neither survives a fork;
settings are read by each worker, so that no secret is in gunicorn's own memory.
"""

import gc
import importlib
from collections.abc import Callable

from shared.settings import Zone

_EVERYWHERE = ("handlers.app", "google.pubsub_v1", "google.pubsub_v1.services.publisher.transports")
_STORAGE = "google.cloud.bigquery_storage_v1"
_MODULES = {
    Zone.INGRESS: ("handlers.zones.ingress",),
    Zone.CLINICAL: ("handlers.zones.clinical",),
    Zone.ANALYTICS: (
        "handlers.zones.analytics",
        f"{_STORAGE}.services.big_query_write",
        f"{_STORAGE}.services.big_query_write.transports",
        f"{_STORAGE}.types",
        "google.cloud.bigquery",
    ),
    Zone.OPS: ("handlers.zones.ops", "handlers.console.routes"),
}


def preload(zone: str) -> None:
    """Load what a worker of this zone will need; a zone that there is not is for the worker to refuse."""
    for name in _EVERYWHERE:
        importlib.import_module(name)
    for one, names in _MODULES.items():
        if zone in (one, Zone.ALL):
            for name in names:
                importlib.import_module(name)
            if one in _READ:
                _READ[one]()
    gc.collect()
    gc.freeze()  # what is loaded stays: the collector shall not touch, and so copy, the pages that all workers share


def _clinical() -> None:
    from shared.deid import policy
    from shared.deid.text.lexicon import lexicon
    from shared.fhir.validation import rules

    rules.load("default")
    for name in policy.NAMES:
        policy.load(name)
    lexicon()


def _analytics() -> None:
    from shared.graph import plan
    from shared.views import shipped

    shipped()
    plan.shipped()


_READ: dict[Zone, Callable[[], None]] = {Zone.CLINICAL: _clinical, Zone.ANALYTICS: _analytics}
