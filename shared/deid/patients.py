"""Whose dates these are: the patient by whose secret number of days all dates of a resource are moved.

A Patient is its own; any other resource belongs to the first Patient that it names in one of the policy's places
(subject, patient, ...), and one that names none, or only by an identifier, is its own, so that its dates stay in step
with each other at least. Found before the walk, since a date may stand before the subject.
"""

import re
from collections.abc import Iterator, Mapping
from typing import final

from shared.deid import references
from shared.deid.policy import Policy, Verb
from shared.deid.pseudonyms import Pseudonyms
from shared.deid.walk import Given
from shared.fhir import elements as r4
from shared.fhir.port import Resource
from shared.phi import Phi

_PATIENT = "Patient"
_NOTHING = Given("")
_LITERAL = re.compile(
    r"(?:^|/)Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?$|^urn:uuid:([0-9a-f-]{36})$"
)
_LONGEST = 512
_PREFIX = "Patient/"


@final
class Patients:
    """Finds the offset of a resource's dates. Does nothing under a policy that moves no dates."""

    def __init__(self, policy: Policy, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms
        self._moves = any(rule.to == "shift" for rule in policy.rules.values() if rule.verb in (Verb.DATE, Verb.BIRTH))
        self._all = tuple(_split(place) for place in policy.patient)
        self._of_type: dict[str, tuple[tuple[str, ...], ...]] = {}
        self._renamed = references.target(pseudonyms)
        self._refer = references.reference(pseudonyms, self._renamed, (_PATIENT,))

    def days(self, resource_type: str, resource: Resource) -> int:
        """How far to move the dates of a resource."""
        if not self._moves:
            return 0
        return self._pseudonyms.days(self._patient(resource_type, resource))

    def about(self, resource: Resource) -> Phi[str] | None:
        """The id of the Patient that a resource names first, or of the resource itself if it is one."""
        resource_type = resource.get("resourceType")
        if type(resource_type) is not str or resource_type not in r4.types():
            return None
        if resource_type == _PATIENT:
            own = resource.get("id")
            return Phi(own) if isinstance(own, str) else None
        for place in self._places(resource_type):
            for value in _at(resource, place):
                text = value.get("reference") if isinstance(value, Mapping) else None
                if type(text) is str and len(text) <= _LONGEST and (found := _LITERAL.search(text)):
                    return Phi(found[1] or found[2])
        return None

    def _places(self, resource_type: str) -> tuple[tuple[str, ...], ...]:
        """Of the policy's places those that this type of R4 has."""
        if (places := self._of_type.get(resource_type)) is None:
            known = r4.types()[resource_type].elements
            places = self._of_type[resource_type] = tuple(place for place in self._all if place[0] in known)
        return places

    def _patient(self, resource_type: str, resource: Resource) -> str:
        """The pseudonym of the patient, or of the resource itself; empty for one that has not even an id."""
        if resource_type != _PATIENT:
            for place in self._places(resource_type):
                if len(place) == 1 and type(value := resource.get(place[0])) is not list:
                    if type(value) is dict and (found := self._named(value)) is not None:  # `subject`: nearly always
                        return found
                    continue
                for value in _at(resource, place):
                    if (found := self._named(value)) is not None:
                        return found
        return self._pseudonyms.resource(resource_type, resource.get("id")) or ""

    def _named(self, value: object) -> str | None:
        """The pseudonym of the Patient that a Reference names; a urn in a patient's place is taken for one."""
        text = value.get("reference") if type(value) is dict else None
        if type(text) is str and len(text) <= _LONGEST and not text.startswith("urn:"):
            name = self._renamed(text)
            return name.removeprefix(_PREFIX) if name is not None and name.startswith(_PREFIX) else None
        safe = self._refer(value, _NOTHING)
        if type(safe) is not dict:
            return None
        of, _, name = str(safe["reference"]).partition("/")
        return name if of == _PATIENT else None


def _split(place: str) -> tuple[str, ...]:
    return tuple(place.split("."))


def _at(value: object, place: tuple[str, ...]) -> Iterator[object]:
    """What stands at a place, through objects and arrays."""
    for item in value if isinstance(value, list) else (value,):
        if not place:
            yield item
        elif isinstance(item, Mapping):
            yield from _at(item.get(place[0]), place[1:])
