"""schemas/scale.toml, and what the code itself fixes: every number that the model rests on has one place and a source."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from handlers import catalog
from shared import accounts
from shared.deid.text import dlp
from shared.fhir import account
from shared.settings import Settings
from shared.sinks.changes import bigquery as change_log
from shared.subscriber import Subscription
from shared.views import shipped

FILE = Path(__file__).parents[2] / "schemas" / "scale.toml"
FIRST = "fhir.changed"


@dataclass(frozen=True, slots=True)
class Fact:
    """One number. `assumed`: nobody measured or documented it for us."""

    name: str
    value: float
    unit: str
    source: str
    assumed: bool = False


@cache
def facts() -> dict[str, Fact]:
    """All of the file, by `table.name`."""
    document: dict[str, dict[str, dict[str, Any]]] = tomllib.loads(FILE.read_text())
    return {
        f"{table}.{name}": Fact(f"{table}.{name}", **entry)
        for table, entries in document.items()
        for name, entry in entries.items()
    }


def value(name: str) -> float:
    """A number of the file."""
    return facts()[name].value


def hops() -> tuple[Subscription, ...]:
    """The handlers that a change goes through, one after the other; what each does for others beside it is left out."""
    by_topic = {on.topic: on for on in catalog.subscriptions()}
    found: list[Subscription] = []
    topic = FIRST
    while topic in by_topic:
        found.append(by_topic[topic])
        topic = found[-1].publishes[0] if found[-1].publishes else ""
    return tuple(found)


ACTS_A_BATCH = accounts.MOST
POINTS_A_READ, POINTS_A_HISTORY, POINTS_AN_ACT = account.READ, account.HISTORY, account.IN_BATCH
DLP_PATIENCE = dlp.PATIENCE
CONCURRENCY = int(Settings.model_fields["concurrency"].default)
DLP_PER_MINUTE = int(Settings.model_fields["dlp_per_minute"].default)
GRAPH_EVERY = change_log.EVERY


def tables() -> int:
    """The tables of a dataset that are written to by every event's zone: rows, changes, quality, and each view's."""
    return 3 + len(shipped())
