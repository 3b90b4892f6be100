"""One thing that the clinic does to Medplum, ready as soon as Medplum has said what ids it gave."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shared.local.clinic.datatypes import Json, Link

type Action = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Operation:
    """A create, update or delete. What it is depends on the seed alone; only the ids in it are Medplum's.

    `waits_for` are the numbers of the operations that must have been answered before: those that create what it refers
    to, and what was done last to the same resource. One after the other is always right; so is any order that waits.
    """

    number: int
    action: Action
    type: str
    waits_for: frozenset[int]
    handle: int
    _body: Json | None = field(repr=False)
    _ids: Mapping[int, str] = field(repr=False)

    @property
    def id(self) -> str:
        """The id of the resource to update or delete. Raises KeyError while Medplum has not given it."""
        return self._ids[self.handle]

    def resource(self) -> Json:
        """What to send for a create or an update. Raises KeyError while an id that it needs is not there."""
        if self._body is None:
            raise ValueError("a deletion sends nothing")
        content = _resolved(self._body, self._ids)
        assert isinstance(content, dict)
        return content if self.action == "create" else {**content, "id": self.id}


def links(value: object) -> frozenset[int]:
    """The handles to which a body refers."""
    match value:
        case Link(handle):
            return frozenset({handle})
        case dict():
            return frozenset().union(*map(links, value.values()))
        case list():
            return frozenset().union(*map(links, value))
    return frozenset()


def _resolved(value: object, ids: Mapping[int, str]) -> object:
    match value:
        case Link(handle, type):
            return f"{type}/{ids[handle]}"
        case dict():
            return {name: _resolved(part, ids) for name, part in value.items()}
        case list():
            return [_resolved(part, ids) for part in value]
    return value
