"""References: what is contained is there (ref-1), and what is referred to is of a type that the element allows.

    Patient/p1   #medication   urn:uuid:…   https://…/Patient/p1   Patient?identifier=…

The types of `#id` and of a bundle's `fullUrl` are looked up, all others are told by the text. A reference that has an
identifier or a display alone says no type.
"""

import re
from collections.abc import Mapping

from shared.fhir.elements import Element, resource_types
from shared.fhir.references import Conditional, Elsewhere, LocalReference, parse
from shared.fhir.validation.facts import facts
from shared.fhir.validation.findings import DEEPEST, Check, Known, Told
from shared.fhir.validation.primitives import CHECKS

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_REST = re.compile(r"https?://\S+/([A-Z][A-Za-z]{1,63})/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?")

# R4 does not allow these, and HL7's own examples of R4 have them. Where practice is like that, it is a warning.
_PRACTICE = frozenset(
    {
        ("DeviceMetric.parent", "DeviceDefinition"),
        ("DeviceUseStatement.reasonReference", "Procedure"),
        ("MedicationRequest.dispenseRequest.performer", "Practitioner"),
        ("Observation.performer", "Encounter"),
    }
)


def within(resource: Mapping[str, object], known: Known) -> Known:
    """What references within a resource or bundle can be looked up by."""
    found = dict(known)
    for part, key, head in (("contained", "id", "#"), ("entry", "fullUrl", "")):
        listed = resource.get(part)
        for one in listed if isinstance(listed, list) else ():
            inner = (one.get("resource") if part == "entry" else one) if isinstance(one, dict) else None
            if isinstance(inner, dict) and isinstance(one.get(key), str):
                found[head + one[key]] = str(inner.get("resourceType"))
    return found


def reference(check: Check, element: Element, path: str) -> Check:
    """The check of a Reference in an element: its structure, and what it points at."""
    targets = None if not element.targets or "Resource" in element.targets else frozenset(element.targets)
    easy = targets or resource_types() | facts().medplum
    display = CHECKS["string"]

    def checked(value: object, known: Known, depth: int) -> Told:
        if (
            type(value) is dict
            and type(alone := value.get("reference")) is str
            and (len(value) == 1 or (len(value) == 2 and display(value.get("display"), known, depth) is None))
            and depth <= DEEPEST
        ):
            to, _, of = alone.partition("/")
            if to in easy and _ID.fullmatch(of):
                return None  # most are so, and nothing else can be wrong with them
        if (found := check(value, known, depth)) is not None:
            return found
        text = value.get("reference")  # type: ignore[attr-defined]  # an object, it passed
        if text is None:
            return None
        name, _, id = text.partition("/")
        if name not in easy or not _ID.fullmatch(id):
            name = _target(text, known)
            if name is None:
                return _unresolved(text)
            if name not in easy:
                practice = name in facts().medplum or (path, name) in _PRACTICE
                return [("warning" if practice else "error", "reference-target", "")]
        kind = value.get("type")  # type: ignore[attr-defined]
        return None if kind is None or kind.rsplit("/", 1)[-1] == name else "reference-type"

    return checked


def _unresolved(text: str) -> Told:
    """A reference whose type can not be told: one to what is not contained, or of no form that R4 knows."""
    if text.startswith("#"):
        return None if text == "#" else "ref-1"  # a lone # is the container itself
    return None if text.startswith("urn:") or parse(text) is not None else "reference-form"


def _target(text: str, known: Known) -> str | None:
    """The type that a reference points at, if it can be told."""
    if (name := known.get(text)) is not None:
        return name
    match parse(text):
        case LocalReference(type=name) | Conditional(type=name):
            return name
        case Elsewhere(url=url) if (found := _REST.fullmatch(url)) and found[1] in resource_types():
            return found[1]
    return None
