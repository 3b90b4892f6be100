"""Every attack of the corpus is refused: the right status, no effect, and nothing of it in an answer or a log."""

import pytest

from tests.attacks.corpus import FAMILIES, fought


@pytest.mark.parametrize("family", FAMILIES)
async def test_no_attack_of_a_family_gets_anywhere(family: str) -> None:
    assert await fought(family) == {}
