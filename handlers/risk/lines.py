"""De-identified NDJSON → the classes of each set of quasi-identifiers, so that a data set can be judged before it is loaded.

    ./dev deid … → [this] → Counter[Class]

Kept in memory: for each patient the values at the places asked for (equal values once) and the sensitive values; no
resource. A patient's later line replaces the earlier one. Against a gate that passes by mistake: a line that is no
resource, or one that never went through the door, ends the reading; refused lines of `./dev deid` are counted aloud.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.deid.quasi import Place, QuasiSet, Sensitive
from shared.deid.risk import Classes, classes
from shared.strict_json import NotStrictJson, parse_object

_NEVER_LEAVES = ("name", "identifier", "telecom")  # whatever the policy
_PSEUDONYM = re.compile(r"[0-9a-f]{32}")


class NotDeidentified(ValueError):
    """A line that `./dev deid` would not have written. Carries its number and nothing that it held."""


@dataclass(frozen=True, slots=True)
class Read:
    """What the lines said. `by_set`: a set's id → its classes."""

    by_set: dict[str, Classes]
    refused: int


@dataclass(slots=True)
class _People:
    """`quasi` and `held` are by patient, as references name them."""

    places: tuple[Place, ...]
    sensitive: tuple[Sensitive, ...]
    held: Mapping[str, defaultdict[str, set[str]]]
    quasi: dict[str, tuple[frozenset[str], ...]] = field(default_factory=dict)
    known: dict[frozenset[str], frozenset[str]] = field(default_factory=dict)  # equal ones are kept once

    def take(self, number: int, resource: Mapping[str, object]) -> None:
        """Remember what a line says."""
        kind = resource["resourceType"]
        if kind == "Patient":
            values = (place.values(resource) for place in self.places)
            # Without an id nothing joins to it, but a person it is.
            self.quasi[f"Patient/{resource.get('id', number)}"] = tuple(self.known.setdefault(v, v) for v in values)
        for attribute in self.sensitive:
            if attribute.place.resource_type == kind:
                for patient in attribute.patient.values(resource):
                    self.held[attribute.id][patient].update(map(sys.intern, attribute.place.values(resource)))


def read(lines: Iterable[bytes], sets: Sequence[QuasiSet]) -> Read:
    """The classes of every set. Raises NotDeidentified."""
    places = tuple(dict.fromkeys(place for one in sets for place in one.places))
    sensitive = {one.sensitive.id: one.sensitive for one in sets}
    people = _People(places, tuple(sensitive.values()), {id: defaultdict(set) for id in sensitive})
    refused = 0
    for number, line in enumerate(lines, 1):
        try:
            resource = parse_object(line)
        except NotStrictJson:
            resource = {}
        if _refused(resource):
            refused += 1
        elif not _from_the_door(resource):
            raise NotDeidentified(f"line {number}")
        else:
            people.take(number, resource)
    return Read({one.id: _classes(people, one) for one in sets}, refused)


def _refused(resource: Mapping[str, object]) -> bool:
    return resource.keys() == {"line", "error"}


def _from_the_door(resource: Mapping[str, object]) -> bool:
    """Whether it looks so: a resource, with a pseudonym if it has an id, and without what no policy lets out."""
    id = resource.get("id", "0" * 32)
    return (
        type(resource.get("resourceType")) is str
        and type(id) is str
        and _PSEUDONYM.fullmatch(id) is not None
        and not (resource["resourceType"] == "Patient" and any(name in resource for name in _NEVER_LEAVES))
    )


def _classes(people: _People, of: QuasiSet) -> Classes:
    chosen = [people.places.index(place) for place in of.places]
    held = people.held[of.sensitive.id]
    nothing: set[str] = set()
    return classes(
        (tuple(values[i] for i in chosen), frozenset(held.get(patient, nothing)))
        for patient, values in people.quasi.items()
    )
