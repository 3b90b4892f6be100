"""The memo over a ledger: known ends without a round trip, and nothing that an operator could take back."""

import pytest

from shared.errors import Code
from shared.ledger.memo import MemoLedger
from shared.ledger.memory import MemoryLedger
from shared.ledger.port import Lease, Record, State
from tests.contracts.ledgers import KEY, PRINT, claim, lease

RETENTION = 1000.0


class Counting(MemoryLedger):
    """A store that counts the claims it is asked for."""

    claims = 0

    async def claim(self, key: str, fingerprint: str, *, owner: str, now: float, until: float) -> Lease | Record:
        self.claims += 1
        return await super().claim(key, fingerprint, owner=owner, now=now, until=until)


@pytest.fixture
def store() -> Counting:
    return Counting(retention=RETENTION)


def memo(store: Counting, size: int = 10) -> MemoLedger:
    return MemoLedger(store, retention=RETENTION, size=size)


@pytest.mark.parametrize("state", [State.DONE, State.SUPERSEDED])
async def test_what_ended_here_is_known_without_asking(store: Counting, state: State) -> None:
    ledger = memo(store)
    await ledger.finish(await lease(ledger), state, code="x", now=110.0)
    found = await claim(ledger, now=120.0)
    assert isinstance(found, Record)
    assert (found.state, found.code, found.fingerprint) == (state, "x", PRINT)
    assert store.claims == 1


async def test_what_ended_elsewhere_is_asked_for_once(store: Counting) -> None:
    await store.finish(await lease(store), State.DONE, now=110.0)
    ledger = memo(store)
    for now in (120.0, 121.0, 122.0):
        assert isinstance(await claim(ledger, now=now), Record)
    assert store.claims == 2


async def test_poison_is_never_remembered_since_an_operator_may_reopen_it(store: Counting) -> None:
    ledger, operators = memo(store), memo(store)
    await ledger.finish(await lease(ledger), State.POISON, code=Code.RESOURCE_INVALID.slug, now=110.0)
    assert isinstance(await claim(ledger, now=111.0), Record)
    assert await operators.reopen(KEY, now=120.0)
    assert isinstance(await claim(ledger, now=121.0), Lease)


@pytest.mark.parametrize("state", [State.RETRY, State.LEASED])
async def test_what_has_not_ended_is_asked_for_again(store: Counting, state: State) -> None:
    ledger = memo(store)
    held = await lease(ledger)
    if state is State.RETRY:
        await ledger.finish(held, state, code="dlp-down", now=101.0, not_before=150.0)
    assert isinstance(await claim(ledger, now=110.0), Record)
    assert isinstance(await claim(ledger, now=190.0), Lease)


async def test_a_reused_key_is_told_by_its_fingerprint(store: Counting) -> None:
    ledger = memo(store)
    await ledger.finish(await lease(ledger), State.DONE, now=110.0)
    found = await claim(ledger, now=120.0, fingerprint="b4" * 32)
    assert isinstance(found, Record)
    assert found.fingerprint == PRINT


async def test_what_has_expired_in_the_store_is_not_remembered_for_longer(store: Counting) -> None:
    ledger = memo(store)
    await ledger.finish(await lease(ledger), State.DONE, now=110.0)
    assert isinstance(await claim(ledger, now=1109.0), Record)
    assert isinstance(await claim(ledger, now=1110.0), Lease)


async def test_the_memo_is_bounded_and_forgets_what_was_not_asked_for(store: Counting) -> None:
    ledger = memo(store, size=2)
    for key in "abc":
        held = await claim(ledger, key=key)
        assert isinstance(held, Lease)
        await ledger.finish(held, State.DONE, now=101.0)
        await claim(ledger, key="a", now=102.0)
    assert store.claims == 3
    await claim(ledger, key="b", now=103.0)  # forgotten, and asked for again
    assert store.claims == 4


async def test_an_end_that_the_store_refused_is_not_remembered(store: Counting) -> None:
    ledger = memo(store)
    zombie = await lease(ledger)
    await lease(store, by="b", now=190.0)
    with pytest.raises(Exception, match="lease-lost"):
        await ledger.finish(zombie, State.DONE, now=200.0)
    assert isinstance(found := await claim(ledger, now=201.0), Record)
    assert found.state is State.LEASED
