"""The keys by which views join: a resource's own id, and the id that a reference names.

    getResourceKey()            Patient {id: p1}         →  p1
    getReferenceKey([type])     Patient/p1               →  p1
                                https://host/Patient/p1  →  p1    (beyond the door no host is left)
                                #contained, urn:uuid:…, Patient?identifier=…  →  nothing

Beyond the door both are the pseudonym that the door gives a resource of that type and id, so they join as before.
"""

import re
from collections.abc import Callable
from typing import Any

_LITERAL = re.compile(
    r"(?:https?://[^\s?#]+/)?([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)
_RELATIVE = re.compile(r"([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})")


def resource_key(node: Any) -> object:
    """The key of a resource; nothing for an element."""
    return node.get("id") if type(node) is dict and "resourceType" in node else None


def reference_key(only: str | None) -> Callable[[Any], object]:
    """The key of what a Reference points to, of this type alone where one is named."""

    prefix = f"{only}/" if only else None
    at = len(prefix or "")

    def key(node: Any) -> object:
        if type(node) is not dict or type(text := node.get("reference")) is not str:
            return None
        if prefix and text.startswith(prefix) and (name := text[at:]).isalnum() and name.isascii():
            return name  # what it is nearly always, and beyond the door always
        found = _RELATIVE.fullmatch(text) or _LITERAL.fullmatch(text)
        if found is None or (only is not None and found[1] != only):
            return None
        return found[2]

    return key
