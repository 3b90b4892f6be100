"""Zone analytics: whoever may not see PHI. De-identified rows into the warehouse, and from its change log into the graph."""

from contextlib import AsyncExitStack
from copy import replace

from handlers import analytics, catalog, quality
from handlers.endpoints import World
from handlers.graph import draw, versions
from handlers.graph.wiring import Parts, opened
from handlers.zones.wiring import Called
from shared.acting import Sinks
from shared.erasures.port import Erasures
from shared.sinks.bigquery import BigQueryWarehouse
from shared.sinks.erasing import BigQueryErasing, Guarded, Proving
from shared.subscriber import NOTHING


async def open(world: World, stack: AsyncExitStack, called: Called, sinks: Sinks, erasures: Erasures) -> Sinks:
    """The sinks of a zone with a warehouse in it."""
    settings = world.settings
    graph = await _graph(world, stack, called) if settings.tigergraph_url else None
    datasets = {
        (tenant.name, release.key_id): release.dataset for tenant in settings.tenants for release in tenant.releases
    }
    warehouse = BigQueryWarehouse(settings.gcp_project, datasets, settings.bigquery_endpoint)
    stack.push_async_callback(warehouse.close)
    await warehouse.warm()  # the first row shall not wait for Google's client to be imported
    erasing = BigQueryErasing(settings.gcp_project, datasets, settings.bigquery_url, patience=settings.deadline)
    stack.push_async_callback(erasing.close)
    proving = Proving(erasing, erasures, graph.graph if graph else None, called.now)
    releases = frozenset(datasets)
    world.serve(
        analytics.analyse.bind(
            analytics.patients_rows(proving.find, releases),
            releases=releases,
            outgoing=catalog.outgoing(settings.tenants),
        ),
        quality.tally.bind(NOTHING, releases=releases),
    )
    return replace(
        sinks,
        warehouse=Guarded(warehouse, erasures, erasing),
        quality=warehouse,
        graph=graph.settled if graph else None,
        erasing=erasing,
        proving=proving,
    )


async def _graph(world: World, stack: AsyncExitStack, called: Called) -> Parts:
    parts = opened(world.settings, stack, called.http)
    await parts.changes.warm()
    world.serve(draw.bind(versions(parts.changes, parts.drawing), drawing=parts.drawing))
    return parts
