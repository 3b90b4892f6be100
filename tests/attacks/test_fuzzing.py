"""A small, seeded share of what `./dev bench fuzz` does."""

from contextlib import suppress

import pytest

from shared.errors import Problem
from shared.events.decode import decode
from shared.events.push import parse
from tests.attacks.fuzzing import Kind, fuzzed
from tests.attacks.mutation import Request, seeds


@pytest.mark.parametrize("kind", ["push", "webhook"])
def test_nothing_but_a_problem_comes_out_of_a_parser(kind: Kind) -> None:
    found = fuzzed(kind, 0, 3000)
    assert found.crashes == []
    assert found.inputs == 3000
    assert found.accepted > 30, "bent so little that some are good still: the depths are reached"
    assert len(found.codes) >= 3


def test_what_is_bent_is_good_before() -> None:
    def good(request: Request) -> bool:
        with suppress(Problem):
            decode(parse(*request))
            return True
        return False

    assert sum(map(good, seeds("push"))) >= 20
