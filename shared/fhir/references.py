"""What the text of a FHIR reference points at (R4 §2.3.0, Reference.reference).

    Patient/p1                          LocalReference, perhaps with a version
    https://<our base>/Patient/p1       the same
    #medication                         Contained (an empty id is the container itself)
    urn:uuid:… urn:oid:…                Urn: an entry of the same Bundle
    Patient?identifier=…                Conditional: to be resolved by the server
    https://elsewhere/…                 Elsewhere: nothing of ours

A logical reference has an identifier and no text, so it never comes here. Canonical URLs (`url|version`) are another
type and are not read by this.
"""

import re

from msgspec import Struct

_LOCAL = re.compile(r"([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?")
_CONTAINED = re.compile(r"#([A-Za-z0-9\-.]{0,64})")
_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OID = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+")
_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]{1,63})\?(\S+)")
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.\-]*:\S+")


class LocalReference(Struct, frozen=True):
    """A resource on the same server."""

    type: str
    id: str
    version: str | None = None


class Contained(Struct, frozen=True):
    """A resource within this one."""

    id: str


class Urn(Struct, frozen=True):
    """A resource that is known by a UUID or OID alone."""

    text: str


class Conditional(Struct, frozen=True):
    """Whatever a search finds."""

    type: str
    query: str


class Elsewhere(Struct, frozen=True):
    """Something on another server."""

    url: str


type ParsedReference = LocalReference | Contained | Urn | Conditional | Elsewhere


def parse(text: str, *, base: str = "") -> ParsedReference | None:
    """What `text` points at, or None if it is no reference. `base` is our server's FHIR base URL."""
    prefix = f"{base.rstrip('/')}/"
    if base and text.startswith(prefix):
        text = text.removeprefix(prefix)
    if found := _LOCAL.fullmatch(text):
        type, id, version = found.groups()
        if not id.strip(".") or (version is not None and not version.strip(".")):
            return None  # `.` and `..` are steps in a path, whatever the pattern of an id says
        return LocalReference(type, id, version)
    if found := _CONTAINED.fullmatch(text):
        return Contained(found.group(1))
    if _UUID.fullmatch(text) or _OID.fullmatch(text):
        return Urn(text)
    if found := _CONDITIONAL.fullmatch(text):
        return Conditional(found.group(1), found.group(2))
    if _ABSOLUTE.fullmatch(text) and not text.startswith("urn:"):
        return Elsewhere(text)
    return None
