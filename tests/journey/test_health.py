"""Alive is not ready: an instance that has not connected, or that stops, says so."""

import httpx

from handlers.app import create_app
from tests.journey.edge import URL, edge
from tests.tenant import settings


async def test_an_instance_is_ready_when_its_keys_and_clients_are_there() -> None:
    async with edge("analytics") as here:
        assert (await here.http.get("/v1/health/ready")).status_code == 200
        assert (await here.http.get("/v1/health/live")).json() == {"up": True}


async def test_an_instance_that_has_not_started_is_alive_but_not_ready() -> None:
    app = create_app(settings("ops", pubsub_endpoint="127.0.0.1:9"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
        assert (await http.get("/v1/health/live")).status_code == 200
        assert (await http.get("/v1/health/ready")).status_code == 503
