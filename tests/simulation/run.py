"""One seed, or many: what is wrong with its world, and the smallest plan that still goes wrong in the same way.

./dev python -m tests.simulation.run 747                one seed; what is wrong, if anything, and a smaller plan of it
./dev python -m tests.simulation.run --minutes 60       as long as asked, from a random seed on
"""

import argparse
import random
import sys
import time
from collections.abc import Sequence

from tests.simulation.judge import wrongs
from tests.simulation.loop import Stuck
from tests.simulation.plan import Plan, drawn, smaller
from tests.simulation.world import World

_SHRINKS = 400  # worlds tried while shrinking


def wrong_with(plan: Plan) -> list[str]:
    """What is wrong with the plan's world."""
    try:
        return wrongs(World(plan).lived())
    except Stuck:
        return ["a world that waits for ever"]


def shrunk(plan: Plan) -> tuple[Plan, list[str]]:
    """A smaller plan that is wrong in one of the same ways, and all that is wrong with it."""
    found, tried = wrong_with(plan), 0
    kinds = set(found)
    while tried < _SHRINKS:
        for one in smaller(plan):
            tried += 1
            if kinds & set(again := wrong_with(one)):
                plan, found = one, again
                break
            if tried >= _SHRINKS:
                break
        else:
            break
    return plan, found


def report(seed: int) -> str:
    """Why a seed fails, what is left of its day when all is taken away that need not be, and how to see it again."""
    plan, found = shrunk(drawn(seed))
    return f"seed {seed}: {'; '.join(found)}\n  {plan}\n  again: ./dev python -m tests.simulation.run {seed}"


def main(arguments: Sequence[str]) -> int:
    """1 if a world went wrong."""
    parser = argparse.ArgumentParser(prog="tests.simulation.run")
    parser.add_argument("seeds", nargs="*", type=int)
    parser.add_argument("--minutes", type=float, default=0)
    options = parser.parse_args(arguments)
    end, first = time.monotonic() + 60 * options.minutes, random.SystemRandom().randrange(2**40)
    bad = [seed for seed in options.seeds if wrong_with(drawn(seed))]
    lived = len(options.seeds)
    while time.monotonic() < end:
        if wrong_with(drawn(first + lived)):
            bad.append(first + lived)
        lived += 1
    for seed in bad:
        print(report(seed))
    print(f"{lived} worlds, {len(bad)} went wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
