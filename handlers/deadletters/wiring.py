"""The desk with its ports: for the ops zone's process, and for the command line, which opens what a verb needs."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from handlers.deadletters.desk import Desk
from handlers.deadletters.holding import Holding
from handlers.deadletters.ledgers import open_ledgers
from shared.deadletters.opening import open_index
from shared.settings import Settings
from shared.sinks.channels import subscriber_client
from shared.sinks.port import Publisher
from shared.sinks.pubsub import PubSubPublisher


async def open_desk(settings: Settings, stack: AsyncExitStack, publisher: Publisher) -> Desk:
    """The stack closes it in the reverse order. No store and no server is touched yet."""
    index, ledgers = open_index(settings), open_ledgers(settings)
    stack.push_async_callback(index.close)
    stack.push_async_callback(ledgers.close)
    desk = Desk(settings, index, ledgers, publisher, partial(_holding, settings), time.time)
    stack.push_async_callback(desk.close)
    return desk


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Desk]:
    """A desk on its own."""
    async with AsyncExitStack() as stack:
        publisher = PubSubPublisher(settings.gcp_project, settings.pubsub_endpoint)
        stack.push_async_callback(publisher.close)
        yield await open_desk(settings, stack, publisher)


@asynccontextmanager
async def _holding(settings: Settings) -> AsyncIterator[Holding]:
    async with subscriber_client(settings.pubsub_endpoint) as client:
        yield Holding(client, settings.gcp_project, settings.replay_lease)
