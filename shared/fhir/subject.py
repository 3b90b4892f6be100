"""Which Patient a resource is about, for the record of who did what with whose data.

The first Patient that it names in one of the places that R4 has for that, or itself if it is one. A reference that is no
id of this Medplum (an identifier, a urn, another server's URL) names nobody here.
"""

import re

from shared.fhir.port import Resource
from shared.phi import Phi

PLACES = ("subject", "patient", "beneficiary", "individual", "for")
_LITERAL = re.compile(r"Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")


def patient_of(type: str, id: str | None, given: object) -> str | None:
    """The id of the Patient. `given` is what was read of the resource `type`/`id`, if anything was."""
    if type == "Patient":
        return id
    return _named(given.reveal()) if isinstance(given, Phi) else None


def _named(resource: Resource) -> str | None:
    for place in PLACES:
        value = resource.get(place)
        text = value.get("reference") if isinstance(value, dict) else None
        if isinstance(text, str) and (found := _LITERAL.fullmatch(text)) and found[1].strip("."):
            return found[1]
    return None
