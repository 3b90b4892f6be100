"""Each promise is tried on the embedded Pub/Sub, and on Google's emulator where its jar and java are there."""

from collections.abc import AsyncIterator, Iterator

import pytest

from shared.local.issuer import Issuer
from shared.local.pubsub import PubSub
from tests.contracts.emulator import pubsub_emulator
from tests.contracts.pubsub.differences import EMULATOR, SPARED
from tests.contracts.pubsub.world import World, world_at


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pubsub_emulator(tmp_path_factory.mktemp("pubsub")) as address:
        yield address


@pytest.fixture(params=["embedded", pytest.param("emulator", marks=pytest.mark.xdist_group("pubsub-emulator"))])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "emulator":
        promise = request.node.originalname
        if promise in SPARED:
            pytest.skip("ten seconds; tried on the embedded Pub/Sub only")
        if promise in EMULATOR:
            request.applymarker(pytest.mark.xfail(strict=True, reason=f"the emulator {EMULATOR[promise]}"))
        async with world_at(request.getfixturevalue("emulator"), {}) as world:
            yield world
        return
    issuer = Issuer()
    pubsub = PubSub(signer=issuer)
    address = await pubsub.start()
    async with world_at(address, issuer.jwks()) as world:
        yield world
    await pubsub.stop()
