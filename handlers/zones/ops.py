"""Zone ops: whoever sees what went wrong, and no patient: the index of dead letters, replays, and the console."""

from contextlib import AsyncExitStack

from handlers.console.wiring import open_console
from handlers.deadletters.arrivals import Arrivals
from handlers.deadletters.endpoint import Task
from handlers.deadletters.wiring import open_desk
from handlers.endpoints import World
from handlers.zones.wiring import Called
from shared.telemetry.report import moved


async def open(world: World, stack: AsyncExitStack, called: Called) -> None:
    """One desk for the endpoints and the pages."""
    desk = world.desk = await open_desk(world.settings, stack, called.publisher)
    desk.told = moved
    world.arrivals = Arrivals(world.settings, called.tokens, desk.index, desk.ledgers, called.now)
    world.dead_letters = Task(world.settings, called.tokens, desk)
    world.console = await open_console(world.settings, stack, called.http, called.keys, desk)
