"""Doors for tests: both policies, a fixed key and a fixed day, so that what leaves can be stated."""

from collections.abc import Mapping
from datetime import date
from functools import cache

from shared.deid.door import Door
from shared.deid.policy import NAMES, load
from shared.deid.pseudonyms import Pseudonyms

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
TODAY = date(2026, 7, 1)
POLICIES = NAMES


@cache
def door(policy: str = "safe-harbor", key: bytes = KEY, today: date = TODAY) -> Door:
    """The door of a clinic under one policy."""
    return Door("clinic", load(policy), Pseudonyms(key, "k1"), lambda: today)


def leaves(resource: Mapping[str, object], policy: str = "safe-harbor") -> dict[str, object]:
    """What leaves of a resource, without its type and id."""
    safe = door(policy).deidentify(resource)
    return {name: value for name, value in safe.items() if name not in ("resourceType", "id")}
