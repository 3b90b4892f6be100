"""When the whole path has come to rest."""

import asyncio

from handlers.demo.run import PATH
from handlers.demo.stack import Stack


async def at_rest(stack: Stack) -> None:
    """Return when nothing is on its way any more. Raises TimeoutError."""
    await stack.medplum.idle()
    async with asyncio.timeout(20):
        while any(stack.pubsub.stats()[name].backlog for name in PATH):
            await asyncio.sleep(0.05)


def shown(stack: Stack) -> int:
    """How many rows analysts see."""
    [[count]] = stack.warehouse.rows(f"SELECT COUNT(*) FROM `{stack.settings.gcp_project}.clinic.resources`")
    return int(count)
