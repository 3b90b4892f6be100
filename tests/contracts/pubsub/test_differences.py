"""The table of differences names tests that exist."""

from tests.contracts.pubsub import test_pull, test_push, test_resources
from tests.contracts.pubsub.differences import EMULATOR, SPARED


def test_each_difference_is_a_promise_of_this_suite() -> None:
    promises = {name for module in (test_push, test_pull, test_resources) for name in vars(module)}
    assert set(EMULATOR) | SPARED <= promises
