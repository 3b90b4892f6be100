"""Roles, and what each may. A person without a role may nothing, not even look.

viewer     numbers, counts and codes                       (names no event)
operator   and events, plans; makes, starts and cancels plans
approver   and events, plans; approves plans that somebody else has made
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from shared.errors import Code, Problem
from shared.identity.people import Known


class Right(StrEnum):
    """What a page asks for. EVENTS is a right to properties, too: ids, keyed hashes, traces, who planned and why."""

    LOOK = "look"
    EVENTS = "events"
    PLAN = "plan"
    APPROVE = "approve"


ROLES: Mapping[str, frozenset[Right]] = {
    "viewer": frozenset({Right.LOOK}),
    "operator": frozenset({Right.LOOK, Right.EVENTS, Right.PLAN}),
    "approver": frozenset({Right.LOOK, Right.EVENTS, Right.APPROVE}),
}


class Person(Struct, frozen=True):
    """Somebody who was let in."""

    email: str
    rights: frozenset[Right]

    def may(self, right: str) -> bool:
        """For templates, which know the rights by their names."""
        return Right(right) in self.rights

    def must(self, right: Right) -> None:
        """Raises Problem(WRONG_CALLER)."""
        if right not in self.rights:
            raise Problem(Code.WRONG_CALLER, right.value)


def person(known: Known, roles: Mapping[str, Sequence[str]]) -> Person:
    """The rights of all roles that the e-mail or one of the groups has."""
    names = {known.email, *(f"group:{group}" for group in known.groups)}
    given = [role for name, named in roles.items() if _folded(name) in names for role in named]
    return Person(known.email, frozenset(right for role in given for right in ROLES[role]))


def _folded(name: str) -> str:
    """An e-mail in small letters, as those of tokens are; a group as it is written."""
    return name if name.startswith("group:") else name.lower()
