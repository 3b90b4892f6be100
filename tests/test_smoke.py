"""The smoke test passes for the zone that answers, and fails for any other, and when nobody does."""

import asyncio

import pytest

from handlers import smoke
from shared.settings import Zone
from tests.release.serving import serving


@pytest.mark.xdist_group("smoke")
def test_the_smoke_test_knows_the_zone_that_it_was_asked_about(capsys: pytest.CaptureFixture[str]) -> None:
    with serving("ingress") as url:
        assert asyncio.run(smoke.run(url, Zone.INGRESS, identity=False)) == 0
        assert "FAILED" not in capsys.readouterr().out
        assert asyncio.run(smoke.run(url, Zone.ANALYTICS, identity=False)) == 1
    told = capsys.readouterr().out
    assert "FAILED POST /v1/push/analytics refuses an unknown caller" in told
    assert "FAILED POST /v1/webhooks/medplum/smoke-test is not of zone analytics" in told


def test_nobody_there_is_a_failure_and_not_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert asyncio.run(smoke.run("http://127.0.0.1:9", Zone.INGRESS, identity=False)) == 1
    assert "Traceback" not in capsys.readouterr().err
