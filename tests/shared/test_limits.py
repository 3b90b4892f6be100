"""How often is too often, on a clock that the test turns."""

from shared.limits import Allowance, Recent


def test_an_allowance_is_spent_and_refills_evenly() -> None:
    allowance = Allowance(60)
    assert [allowance.take("a", 0) for _ in range(61)] == [True] * 60 + [False]
    assert allowance.take("a", 1.0)
    assert not allowance.take("a", 1.0)
    assert [allowance.take("a", 10_000) for _ in range(61)].count(True) == 60, (
        "no more than a minute's worth is saved up"
    )


def test_one_key_does_not_spend_anothers_allowance() -> None:
    allowance = Allowance(1)
    assert allowance.take("a", 0)
    assert allowance.take("b", 0)
    assert not allowance.take("a", 0)


def test_memory_is_bounded_however_many_come() -> None:
    allowance, recent = Allowance(1, keys=100), Recent(keys=100)
    for n in range(1000):
        allowance.take(str(n), n)
        recent.add(str(n), n)
    assert len(allowance._left) == len(recent._at) == 100


def test_what_was_seen_a_moment_ago_is_known_and_then_forgotten() -> None:
    recent = Recent(10)
    assert not recent.seen("a", 0)
    recent.add("a", 0)
    assert recent.seen("a", 10)
    assert not recent.seen("a", 10.1)
