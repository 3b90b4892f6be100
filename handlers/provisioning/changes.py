"""A difference between what is wanted and what was found, and the port that finds and mends it."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Protocol

from msgspec import Struct, field


class Act(StrEnum):
    """What is to be done about one thing."""

    CREATE = "create"
    CHANGE = "change"
    KEEP = "keep"
    EXTRA = "extra"  # is there, and nobody here wants it: an operator's to judge
    REFUSED = "refused"  # can not be done from here; `how` says how
    UNSEEN = "unseen"  # this server does not have such things (Google's emulator has no IAM)


class Change(Struct, frozen=True):
    """One thing. `fields` has what differs: name → (found, wanted). `done`: it was applied, or deleted."""

    area: str
    kind: str
    name: str
    act: Act
    fields: Mapping[str, tuple[object, object]] = field(default_factory=dict)
    how: str = ""
    done: bool = False


class Refusal(Exception):
    """Google, or a rule of ours, does not let it happen. `how`: what to do about it, without a value of anybody's."""

    def __init__(self, how: str, *, unseen: bool = False) -> None:
        super().__init__(how)
        self.how = how
        self.unseen = unseen


class Area(Protocol):
    """A part of Google Cloud. `name` is one of the words that `--only` takes."""

    name: str

    async def plan(self) -> list[Change]:
        """What is, against what should be. Raises Refusal when it can not be looked at, Problem when it is not there."""
        ...

    async def apply(self, change: Change) -> None:
        """Make it so. Raises Refusal, Problem."""
        ...

    async def delete(self, change: Change) -> None:
        """Take it away. Raises Refusal, Problem."""
        ...


def compared(
    area: str,
    kind: str,
    name: str,
    wanted: Mapping[str, object],
    found: Mapping[str, object] | None,
    *,
    fixed: Collection[str] = (),
    way: str = "",
) -> Change:
    """The change that one thing needs. A `fixed` field can not be changed in place: then `way` is the way to do it."""
    if found is None:
        return Change(area, kind, name, Act.CREATE)
    differing = {field: (found.get(field), value) for field, value in wanted.items() if found.get(field) != value}
    if not differing:
        return Change(area, kind, name, Act.KEEP)
    if stuck := sorted(set(differing) & set(fixed)):
        return Change(
            area, kind, name, Act.REFUSED, differing, f"{', '.join(stuck)} can not be changed in place: {way}"
        )
    return Change(area, kind, name, Act.CHANGE, differing)
