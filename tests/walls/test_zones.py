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
        sys.stderr.write(" ".join(["loaded", *sorted(sys.modules), "\\n"]))  # not where the service writes its log

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


_SHARE = """
import os, sys
from handlers.zones.preload import preload

preload(os.environ["ZONE"])
assert len(os.listdir("/proc/self/task")) == 1
before = set(sys.modules)
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
_OF_EACH_WORKER = {"shared.deadletters", "shared.erasures", "shared.ledger", "shared.telemetry"}  # as its settings say


def _loaded(zone: str, program: str = _SHOW) -> set[str]:
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=environment(zone, **ELSEWHERE, **GRAPH.get(zone, {})),
    )
    [loaded] = [line for line in result.stderr.splitlines() if line.startswith("loaded")]
    return set(loaded.split()[1:])


def test_an_analytics_instance_never_loads_the_code_that_can_hold_phi() -> None:
    loaded = _loaded("analytics")
    assert {"handlers.analytics", "handlers.graph", "shared.sinks.tigergraph.graph"} <= loaded
    assert "google.cloud.bigquery" in loaded, "no event waits for the client of a question to be imported"
    assert not [name for name in loaded if name.startswith(("shared.phi", "shared.fhir", "shared.deid.door"))]


def test_an_ingress_instance_loads_neither_a_handler_nor_the_clients_of_other_zones() -> None:
    loaded = _loaded("ingress")
    assert "handlers.webhook" in loaded
    assert not {"handlers.deid", "handlers.validation", "handlers.analytics", "shared.fhir.client"} & loaded
    others = ("google.cloud.bigquery", "google.cloud.firestore", "shared.sinks.bigquery", "shared.sinks.tigergraph")
    assert not [name for name in loaded if name.startswith((*others, "shared.views"))]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in /proc")
@pytest.mark.parametrize("zone", ["ingress", "clinical", "analytics", "ops", "all"])
def test_a_worker_that_replaces_another_finds_its_code_loaded_and_no_thread_begun(zone: str) -> None:
    program = _SHARE + _SHOW.replace("*sorted(sys.modules)", "*sorted(set(sys.modules) - before)")
    late = {name for name in _loaded(zone, program) if name.startswith(("handlers.", "shared.", "google.", "grpc"))}
    assert {name for name in late if name.rpartition(".")[0] not in _OF_EACH_WORKER} == set()


@pytest.mark.parametrize("zone", ["ingress", "clinical", "analytics", "ops"])
def test_what_the_workers_share_is_their_own_zones(zone: str) -> None:
    program = "import os, sys\nfrom handlers.zones.preload import preload\npreload(os.environ['ZONE'])\n"
    loaded = _loaded(zone, program + "sys.stderr.write(' '.join(['loaded', *sorted(sys.modules)]))")
    assert [
        name
        for name in loaded
        if name.startswith("handlers.zones.") and name.split(".")[2] not in (zone, "preload", "wiring")
    ] == []
    assert zone == "clinical" or not [name for name in loaded if name.startswith(("shared.fhir", "shared.deid.door"))]


@pytest.mark.parametrize("zone", ["ingress", "clinical", "analytics", "ops", "all"])
def test_no_zone_loads_a_stand_in_of_one_machine(zone: str) -> None:
    assert not [name for name in _loaded(zone) if name.startswith(("shared.local", "handlers.demo", "duckdb"))]
