"""References: `Type/<pseudonym>`, so that rows still join; the server's name, the id and the version are gone.

    Patient/123 · Patient/123/_history/4 · https://host/fhir/Patient/123   →  Patient/<pseudonym>
    urn:uuid:…  of a Patient (its `type` says so, or nothing else fits)    →  the same: a bundle's entry joins its row
    urn:uuid:…  of a type that is not known                                →  urn:uuid:<pseudonym>
    #contained · Patient?identifier=… · identifier or display alone        →  the whole Reference stays behind

Contained resources stay behind, so a reference to one would point nowhere. A conditional or logical reference carries
an identifier in the open. An absolute reference loses its host: a resource of that type and id on another server
would get the same pseudonym, which joins too much rather than telling too much.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from shared.deid.pseudonyms import Pseudonyms
from shared.deid.walk import Given, Leave
from shared.fhir.elements import resource_types

_CACHED = 65_536
_LONGEST = 512  # what is longer names no server that we know, and must not fill the caches
_LITERAL = re.compile(
    r"(?:https?://[^\s?#]{1,400}/)?([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)
_URN = re.compile(
    r"urn:(?:uuid:([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})|oid:[0-2](?:\.[0-9]{1,40}){1,30})"
)

type Target = Callable[[str], str | None]


def target(pseudonyms: Pseudonyms) -> Target:
    """What a literal reference may say beyond the door, or None."""
    known = resource_types()

    @lru_cache(_CACHED)
    def renamed(reference: str) -> str | None:
        if not (found := _LITERAL.fullmatch(reference)) or found[1] not in known:
            return None
        return f"{found[1]}/{pseudonyms.id(found[1], found[2])}"

    return renamed


def reference(pseudonyms: Pseudonyms, renamed: Target, targets: tuple[str, ...]) -> Leave:
    """The rule for a Reference that may point to `targets`."""
    known = resource_types()
    only = targets[0] if len(targets) == 1 and targets[0] in known else None

    def urn(text: str, declared: object) -> str | None:
        if not (found := _URN.fullmatch(text)):
            return None
        of = declared if type(declared) is str and declared in known else only
        if of is not None and found[1] is not None:
            return f"{of}/{pseudonyms.id(of, found[1].lower())}"
        return f"urn:uuid:{pseudonyms.urn(text)}"

    def leave(value: object, given: Given) -> object:
        if type(value) is not dict or type(text := value.get("reference")) is not str or len(text) > _LONGEST:
            return None
        declared = value.get("type")
        safe = urn(text, declared) if text.startswith("urn:") else renamed(text)
        if safe is None:
            return None
        if type(declared) is str and declared in known:
            return {"reference": safe, "type": declared}
        return {"reference": safe}

    return leave


def token(pseudonyms: Pseudonyms) -> Leave:
    """The rule for a string that stands for something: equal ones stay equal, none can be read."""

    def leave(value: object, given: Given) -> object:
        return pseudonyms.token(value) if type(value) is str else None

    return leave
