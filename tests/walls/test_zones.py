"""The wall between the zones holds at run time too: what a zone may not touch is not even loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tenant import environment

ROOT = Path(__file__).resolve().parents[2]
_SHOW = """
import asyncio, sys
from handlers.app import create_app

async def start(app):
    async with app.router.lifespan_context(app):
        print("loaded", *sorted(sys.modules))

asyncio.run(start(create_app()))
"""


# Nobody listens there: a process starts without its dependencies and waits for them.
ELSEWHERE = {
    "STARVIT_JWKS_URL": "http://127.0.0.1:9/certs",
    "STARVIT_BIGQUERY_ENDPOINT": "127.0.0.1:9",
    "STARVIT_PUBSUB_ENDPOINT": "127.0.0.1:9",
    "STARVIT_BIGQUERY_URL": "http://127.0.0.1:9",
}


GRAPH = {zone: {"STARVIT_TIGERGRAPH_URL": "http://127.0.0.1:9"} for zone in ("analytics", "all")}


def _loaded(zone: str) -> set[str]:
    result = subprocess.run(
        [sys.executable, "-c", _SHOW],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=environment(zone, **ELSEWHERE, **GRAPH.get(zone, {})),
    )
    [loaded] = [line for line in result.stdout.splitlines() if line.startswith("loaded ")]
    return set(loaded.split())


def test_an_analytics_instance_never_loads_the_code_that_can_hold_phi() -> None:
    loaded = _loaded("analytics")
    assert {"handlers.analytics", "handlers.graph", "shared.sinks.tigergraph.graph"} <= loaded
    assert not [name for name in loaded if name.startswith(("shared.phi", "shared.fhir", "shared.deid.door"))]


def test_an_ingress_instance_loads_neither_a_handler_nor_the_clients_of_other_zones() -> None:
    loaded = _loaded("ingress")
    assert "handlers.webhook" in loaded
    assert not {"handlers.deid", "handlers.validation", "handlers.analytics", "shared.fhir.client"} & loaded
    assert not [name for name in loaded if name.startswith(("google.cloud.bigquery", "google.cloud.firestore"))]


@pytest.mark.parametrize("zone", ["ingress", "clinical", "analytics", "ops", "all"])
def test_no_zone_loads_a_stand_in_of_one_machine(zone: str) -> None:
    assert not [name for name in _loaded(zone) if name.startswith(("shared.local", "handlers.demo", "duckdb"))]
