"""Alive is not ready: an instance that has not connected, or that stops, says so."""

import httpx

from handlers.app import create_app
from tests.journey.edge import URL, edge
from tests.journey.test_bad_input import sign
from tests.tenant import settings


async def test_an_instance_is_ready_when_its_keys_and_clients_are_there() -> None:
    async with edge("analytics") as here:
        assert (await here.http.get("/v1/health/ready")).status_code == 200
        assert (await here.http.get("/v1/health/live")).json() == {"up": True}


async def test_every_answer_names_its_request_and_the_thread_that_it_belongs_to() -> None:
    trace = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
    async with edge("ingress") as here:
        refused = await here.http.post("/v1/webhooks/medplum/clinic", content=b"{}")
        headers = {"x-signature": sign(b"{}"), "content-type": "application/json", "x-trace-id": trace}
        headers["x-medplum-deleted-resource"] = "Patient/p1"
        taken = await here.http.post("/v1/webhooks/medplum/clinic", content=b"{}", headers=headers)
    assert refused.status_code == 401
    assert len(refused.headers["x-request-id"]) == 32
    assert taken.status_code == 204
    assert taken.headers["x-correlation-id"] == trace
    assert len(taken.headers["x-trace-id"]) == 32
    assert taken.headers["x-request-id"] != refused.headers["x-request-id"]


async def test_an_instance_that_has_not_started_is_alive_but_not_ready() -> None:
    app = create_app(settings("ops", pubsub_endpoint="127.0.0.1:9"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
        assert (await http.get("/v1/health/live")).status_code == 200
        assert (await http.get("/v1/health/ready")).status_code == 503
