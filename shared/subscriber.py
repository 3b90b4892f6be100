"""A handler's declaration, and how it is bound to its ports.

    @subscribes(ON)                                   declares, registers nothing
    async def deidentify(event, given, *, doors): …
    deidentify.bind(read=reader, doors=doors)         a Route; mypy checks the ports by name and type

The declaration is the one source for routes, provisioning, service.yaml and the docs. `handlers/catalog.py` names every
handler by hand.
"""

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any, Concatenate

from msgspec import Struct

from shared.effects import Effect
from shared.events.data import Act, Data
from shared.events.envelope import Event
from shared.settings import Settings, Zone


class Scope(StrEnum):
    """What a handler's service account may touch: IAM is generated from it."""

    MEDPLUM_READ = "medplum.read"
    MEDPLUM_AUDIT = "medplum.audit"
    DLP = "dlp.deidentify"
    PUBLISH = "pubsub.publish"
    BIGQUERY_WRITE = "bigquery.write"
    BIGQUERY_READ = "bigquery.read"
    GRAPH_WRITE = "tigergraph.write"
    PSEUDONYM_KEYS = "keys.pseudonym"
    EVENT_KEYS = "keys.event"


class Subscription(Struct, frozen=True, dict=True):
    """What a handler listens to, and on what terms."""

    handler: str
    topic: str
    zone: Zone
    takes: tuple[type[Data], ...]
    publishes: tuple[str, ...] = ()
    scopes: frozenset[Scope] = frozenset()
    ordered: bool = False  # the sinks are safe in any order, so a slow head need not hold up its key
    needs: str = ""  # the setting without which it is neither mounted nor provisioned
    max_attempts: int = 100  # Pub/Sub counts every nack: an outage must dead-letter nothing (design §4.7)

    def served(self, settings: Settings) -> bool:
        """Whether a deployment with these settings has the handler."""
        return not self.needs or bool(getattr(settings, self.needs))

    @cached_property
    def name(self) -> str:
        return f"{self.topic}--{self.handler}"

    @property
    def dead_letter(self) -> str:
        return f"{self.name}.dead"

    @property
    def quarantine(self) -> str:
        return f"{self.handler}.quarantine"

    @property
    def path(self) -> str:
        return f"/v1/push/{self.handler}"


class Read[Given](Struct, frozen=True):
    """How a handler comes by what it needs beside the event, and which access to PHI that was (None: none)."""

    fetch: Callable[[Event[Any]], Awaitable[Given]]
    access: Callable[[Event[Any], Any], Act | None]  # of what `fetch` gave; None where its answer was bad


async def _nothing(_: Event[Any]) -> None:
    return None


NOTHING: Read[None] = Read(_nothing, lambda _, __: None)


class Route(Struct, frozen=True):
    """A handler with its ports: what the pipeline runs."""

    on: Subscription
    read: Read[Any]
    handle: Callable[[Event[Any], Any], Awaitable[Sequence[Effect]]]


class Handler[D: Data, Given, **Ports](Struct, frozen=True):
    """A declared handler, not yet bound. Calling it calls the function, for tests."""

    on: Subscription
    function: Callable[Concatenate[Event[D], Given, Ports], Awaitable[Sequence[Effect]]]

    def bind(self, read: Read[Given], *args: Ports.args, **ports: Ports.kwargs) -> Route:
        """Give the handler its way to read and its ports."""

        async def handle(event: Event[D], given: Given) -> Sequence[Effect]:
            return await self.function(event, given, *args, **ports)

        return Route(self.on, read, handle)

    async def __call__(
        self, event: Event[D], given: Given, *args: Ports.args, **ports: Ports.kwargs
    ) -> Sequence[Effect]:
        return await self.function(event, given, *args, **ports)


def subscribes[D: Data, Given, **Ports](
    on: Subscription,
) -> Callable[[Callable[Concatenate[Event[D], Given, Ports], Awaitable[Sequence[Effect]]]], Handler[D, Given, Ports]]:
    """Declare a handler. Registers nothing."""

    def declare(
        function: Callable[Concatenate[Event[D], Given, Ports], Awaitable[Sequence[Effect]]],
    ) -> Handler[D, Given, Ports]:
        return Handler(on, function)

    return declare
