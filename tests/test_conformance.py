"""Schemathesis makes requests from the contract, good ones and bad ones; the running service answers as the contract says.

Not asked: `positive_data_acceptance` and `negative_data_rejection`. A push that is not as it should be is acknowledged and
set aside (204), for Pub/Sub would deliver it for ever; and what fits the schema may still be of no tenant of ours.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import NoSuchExample, Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks
from uvicorn.config import Config
from uvicorn.server import ServerState

from handlers.wire import Bounded
from shared.local.bigquery import Warehouse
from shared.local.tigergraph import TigerGraph
from tests.attacks.signatures import sign
from tests.attacks.target import Target, target
from tests.tenant import GRAPH_TOKEN, PROJECT

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).resolve().parents[1] / "schemas/openapi/v1.json").read_text())
type Case = Any  # schemathesis.Case, whose body may be anything

SEED = 20_261_126
EXAMPLES = 4  # of each operation and kind
CHECKS = (
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
    checks.allow_header_conformance,
    checks.missing_required_header,
    checks.ignored_auth,
)


@asynccontextmanager
async def _beyond() -> AsyncIterator[dict[str, object]]:
    """The contract's examples are good events: rows get where rows go, and into the graph."""
    warehouse, graph = Warehouse(), TigerGraph(["clinic", "annex"], [GRAPH_TOKEN])
    endpoints = await warehouse.start()
    for dataset in ("clinic", "annex"):
        await warehouse.provision(dataset)
    graph_url = await graph.start()
    try:
        yield {
            "bigquery_endpoint": endpoints.grpc,
            "bigquery_url": endpoints.rest,
            "tigergraph_url": graph_url,
        }
    finally:
        await graph.stop()
        graph.close()
        await warehouse.stop()
        warehouse.close()


@asynccontextmanager
async def _served(on: Target) -> AsyncIterator[str]:
    """The service on a socket, behind the protocol that the workers run; its URL."""
    config = Config(on.edge.app, http=Bounded, ws="none", lifespan="off", log_config=None, proxy_headers=False)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(lambda: Bounded(config, state, {}), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for connection in list(state.connections):
            connection.shutdown()
        await server.wait_closed()


def _credentials(on: Target, case: Case, url: str) -> dict[str, str]:
    """What the sender of this very request would send: a signature over its bytes, or a token."""
    if "/webhooks/" in case.path:
        body: Any = requests.Request(**case.as_transport_kwargs(base_url=url)).prepare().body or b""
        return {"X-Signature": sign(body.encode() if isinstance(body, str) else body)}
    account = case.path.rsplit("/", 1)[-1]
    audience = f"{on.edge.settings.public_url}{case.path}"
    return {"Authorization": f"Bearer {on.edge.issuer.token(on.edge.settings.account(account), audience)}"}


def _ours(case: Case) -> None:
    """A good request is for a hook that is there, and for its tenant."""
    if "subscription" in case.path_parameters:
        case.path_parameters["subscription"] = "clinic"
    if isinstance(case.body, dict) and isinstance(case.body.get("meta"), dict):
        case.body["meta"]["project"] = PROJECT


def _run(on: Target, url: str, kind: GenerationMode) -> Counter[str]:
    """How many requests were made and answered as they should be, by operation."""
    made: Counter[str] = Counter()
    found: Any
    for found in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy(generation_mode=kind))
        @seed(SEED)
        @settings(
            max_examples=EXAMPLES,
            database=None,
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        def conforms(case: Case) -> None:
            if kind is GenerationMode.POSITIVE:
                _ours(case)
            made[f"{case.method} {case.path}"] += 1
            case.call_and_validate(base_url=url, headers=_credentials(on, case, url), checks=list(CHECKS), timeout=60)

        try:
            conforms()
        except (NoSuchExample, Unsatisfiable):
            continue  # nothing about this operation can be wrong
    return made


@pytest.mark.parametrize("kind", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
async def test_the_service_answers_as_its_contract_says(kind: GenerationMode) -> None:
    async with _beyond() as addresses, target(**addresses) as on, _served(on) as url:
        made = await asyncio.to_thread(_run, on, url, kind)
    if kind is GenerationMode.POSITIVE:
        assert len(made) == sum(len(methods) for methods in DOCUMENT["paths"].values())
    assert sum(made.values()) > EXAMPLES
