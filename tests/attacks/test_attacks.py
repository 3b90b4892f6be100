"""Every attack of the corpus is refused: the right status, no effect, and nothing of it in an answer or a log."""

import asyncio
import socket
from pathlib import Path

import pytest

from handlers.demo.service import Service
from handlers.worker import Worker
from shared.errors import Code
from tests.attacks.corpus import FAMILIES, fought
from tests.attacks.signatures import hook
from tests.attacks.target import CANARY, CE, Answer, Request, echoes, strike, target
from tests.tenant import settings


@pytest.mark.parametrize("family", FAMILIES)
async def test_no_attack_of_a_family_gets_anywhere(family: str) -> None:
    assert await fought(family) == {}


def test_the_corpus_is_large_and_no_attack_is_in_it_twice() -> None:
    names = [name for family in FAMILIES.values() for name in family]
    assert len(names) == len(set(names)) >= 80


async def test_an_attack_that_succeeds_would_be_noticed() -> None:
    """The judge is held to account: a request with an effect, taken for an attack, has faults."""
    async with target() as on:
        faults = await strike(on, hook(), Code.BAD_SIGNATURE)
        assert faults == ["answered 204, not 401", "published to ['fhir.changed']"]
        faults = await strike(on, hook("0" * 64), Code.WRONG_TENANT)
        assert faults == ["answered 401, not 403"]


def test_what_comes_back_or_is_written_down_would_be_noticed() -> None:
    request = Request("/v1/push/validation", b'{"x":"' + CANARY.encode() + b'"}', [*CE.items(), ("x", "secretword")])
    assert echoes(request, Answer(400, {"location": "/secretword"}, b""), "") == ["secretword… is in the answer"]
    assert echoes(request, Answer(400, {}, b""), f"failed: {CANARY}") == [f"{CANARY}… is in the log"]
    assert echoes(request, Answer(400, {}, b"{}"), "") == []


async def test_the_workers_of_the_image_run_within_these_bounds(tmp_path: Path) -> None:
    assert Worker.CONFIG_KWARGS["http"].__name__ == "Bounded"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    service = Service(settings("ingress", pubsub_endpoint="127.0.0.1:9"), port, tmp_path / "log")
    await service.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nx: " + b"a" * 40_000 + b"\r\n\r\n")
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert b"head-too-large" in answer
        writer.close()
    finally:
        await service.stop()
