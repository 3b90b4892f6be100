"""The invariants of a Bundle and of its entries."""

import re

from shared.fhir.validation.invariants.rule import Invariant, Node, error, has, warning

_REQUESTS = frozenset(("batch", "transaction", "history"))
_RESPONSES = frozenset(("batch-response", "transaction-response", "history"))
_REST = re.compile(r"https?://\S+/([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})")


def _entries(node: Node) -> list[Node]:
    return list(node.get("entry", ()))


def _are_distinct(node: Node) -> bool:
    if node.get("type") == "history":
        return True
    named = [
        (one["fullUrl"], one.get("resource", {}).get("meta", {}).get("versionId"))
        for one in _entries(node)
        if "fullUrl" in one
    ]
    return len(set(named)) == len(named)


def _first_is(node: Node, kind: str, name: str) -> bool:
    """The first entry of a document or message says what it is."""
    if node.get("type") != kind:
        return True
    entries = _entries(node)
    return bool(entries) and entries[0].get("resource", {}).get("resourceType") == name


def _agrees(entry: Node) -> bool:
    """A RESTful address ends with the resource's type and id. A warning: HL7's own examples do otherwise."""
    resource = entry.get("resource", {})
    found = _REST.fullmatch(entry.get("fullUrl", ""))
    return found is None or "id" not in resource or found.groups() == (resource["resourceType"], resource["id"])


BUNDLE: dict[str, tuple[Invariant, ...]] = {
    "Bundle": (
        error(
            "bdl-1",
            "Only a set of search results or a history has a total.",
            lambda node: not has(node, "total") or node.get("type") in ("searchset", "history"),
        ),
        error(
            "bdl-2",
            "Only search results say how they were found.",
            lambda node: node.get("type") == "searchset" or not any("search" in one for one in _entries(node)),
        ),
        error(
            "bdl-3",
            "The entries of a batch, transaction or history have a request, and no others have.",
            lambda node: all(("request" in one) == (node.get("type") in _REQUESTS) for one in _entries(node)),
        ),
        error(
            "bdl-4",
            "The entries of a response or history have a response, and no others have.",
            lambda node: all(("response" in one) == (node.get("type") in _RESPONSES) for one in _entries(node)),
        ),
        error("bdl-7", "No two entries are the same version of the same resource.", _are_distinct),
        error(
            "bdl-9",
            "A document has an identifier with system and value.",
            lambda node: (
                node.get("type") != "document"
                or (has(node.get("identifier", {}), "system") and has(node["identifier"], "value"))
            ),
        ),
        error("bdl-10", "A document has a time.", lambda node: node.get("type") != "document" or "timestamp" in node),
        error(
            "bdl-11", "A document begins with a Composition.", lambda node: _first_is(node, "document", "Composition")
        ),
        error(
            "bdl-12", "A message begins with a MessageHeader.", lambda node: _first_is(node, "message", "MessageHeader")
        ),
    ),
    "Bundle.entry": (
        error(
            "bdl-5",
            "An entry has a resource, a request or a response.",
            lambda node: not {"resource", "request", "response"}.isdisjoint(node),
        ),
        error(
            "bdl-8",
            "The address of an entry names no version.",
            lambda node: "/_history/" not in node.get("fullUrl", ""),
        ),
        warning("full-url", "The address of an entry is not that of its resource.", _agrees),
    ),
}
