"""The graph with its ports: for the service, which has an HTTP client, and for the command line, which has none."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from shared import egress
from shared.graph.drawing import Drawing
from shared.graph.plan import shipped
from shared.graph.rows import view_rows
from shared.settings import Settings
from shared.sinks.changes import BigQueryChanges
from shared.sinks.tigergraph import Settled, TigerGraph

_PATIENCE = 60.0  # seconds for one request of the command line: all vertices of a type


class Parts(NamedTuple):
    changes: BigQueryChanges
    graph: TigerGraph
    drawing: Drawing
    settled: Settled


def opened(settings: Settings, stack: AsyncExitStack, http: egress.Client) -> Parts:
    """The parts; the stack closes them. Raises ValueError if a tenant has no token."""
    datasets = {(one.name, release.key_id): release.dataset for one in settings.tenants for release in one.releases}
    tokens = {tenant.name: tenant.graph_token for tenant in settings.tenants}
    graphs = {}
    for (tenant, key_id), dataset in datasets.items():
        token = tokens[tenant]
        if token is None:
            raise ValueError("the tenant has no graph token")
        graphs[tenant, key_id] = (dataset, token.get_secret_value())  # a graph bears its dataset's name
    changes = BigQueryChanges(settings.gcp_project, datasets, settings.bigquery_url, patience=settings.deadline)
    stack.push_async_callback(changes.close)
    plan = shipped()
    graph = TigerGraph(http, settings.tigergraph_url, graphs, plan, seconds=settings.deadline / 2)
    stack.push_async_callback(graph.close)
    drawing = Drawing(plan, view_rows)
    return Parts(changes, graph, drawing, Settled(graph, changes, drawing))


@asynccontextmanager
async def alone(settings: Settings) -> AsyncIterator[Parts]:
    """The parts for the command line."""
    async with AsyncExitStack() as stack:
        host = egress.host_of(settings.tigergraph_url, local=settings.local)
        http = egress.client(frozenset({host}), timeout=_PATIENCE, local=settings.local)
        stack.push_async_callback(http.aclose)
        yield opened(settings.model_copy(update={"deadline": _PATIENCE * 2}), stack, http)
