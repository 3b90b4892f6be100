"""Canaries in every text of fuzzed requests, among dependencies that quote what they refuse: no channel may sing.

A bounded run here; `./dev bench canary` does a hundred thousand. Each planted leak has to be found by the same run.
"""

from base64 import b64encode

import pytest

from shared.telemetry.metrics import SERIES
from tests.leaks.canary import CANARY, NAMED, channels, sings
from tests.leaks.plants import PLANTS
from tests.leaks.run import caught, counted

REQUESTS, WITHIN = 1000, 1500
CHANNELS = {
    *("stdout (the log)", "stderr", "response headers", "response bodies", "warehouse rows", "spans", "ledger file"),
    *("attributes (events)", "attributes (quarantine)", "metrics", "metrics snapshots", "data (fhir.deidentified)"),
    *("data (fhir.changed)", "data (validation.quarantine)", "data (deid.quarantine)", "data (audit.quarantine)"),
}


async def test_no_canary_is_heard_on_any_channel() -> None:
    async with counted(1, REQUESTS) as (here, spans, found):
        assert found == []
        assert here.requests >= REQUESTS
        heard = {channel for channel, data, _ in channels(here, spans) if data}
        assert heard >= CHANNELS - {"stderr"}, "and each channel carried something"


@pytest.mark.parametrize("plant", PLANTS)
async def test_a_planted_leak_is_found(plant: str) -> None:
    before = dict(SERIES.numbers)
    try:
        assert await caught(plant, within=WITHIN), "the canary was not heard"
    finally:
        SERIES.numbers.clear()
        SERIES.numbers.update(before)


@pytest.mark.parametrize(
    "text",
    [
        CANARY,
        CANARY.upper(),
        f'{{"name":"{CANARY}"}}',
        CANARY.encode().hex(),
        *(b64encode(b"x" * n + CANARY.encode() + b"yz").decode() for n in range(3)),
    ],
)
def test_a_canary_is_known_in_the_codings_that_programs_use(text: str) -> None:
    assert sings(f"before {text} after".encode(), named=True)


def test_a_reference_may_be_where_references_are_and_nowhere_else() -> None:
    assert not sings(NAMED.encode(), named=True)
    assert sings(NAMED.encode(), named=False)
