"""The invariants of what defines codes: value sets, code systems, maps and naming systems."""

from collections.abc import Iterator

from shared.fhir.validation.invariants.rule import Invariant, Node, error, has, has_any


def _concepts(node: Node) -> Iterator[str]:
    """The codes of a code system, at any depth."""
    todo = list(node.get("concept", ()))
    while todo:
        concept = todo.pop()
        todo += concept.get("concept", ())
        yield concept.get("code", "")


def _defines_each_once(node: Node) -> bool:
    given = list(_concepts(node))
    return len(given) == len(set(given))


def _prefers_one_of_a_kind(node: Node) -> bool:
    kinds = [one.get("type") for one in node["uniqueId"] if one.get("preferred") is True]
    return len(kinds) == len(set(kinds))


TERMINOLOGY: dict[str, tuple[Invariant, ...]] = {
    "CodeSystem": (error("csd-1", "Each code is defined once.", _defines_each_once),),
    "ConceptMap.group.element.target": (
        error(
            "cmd-1",
            "A target that is narrower or inexact has a comment.",
            lambda node: has(node, "comment") or node.get("equivalence") not in ("narrower", "inexact"),
        ),
    ),
    "ConceptMap.group.unmapped": (
        error("cmd-2", "A fixed code is given.", lambda node: node.get("mode") != "fixed" or has(node, "code")),
        error("cmd-3", "Another map is named.", lambda node: node.get("mode") != "other-map" or has(node, "url")),
    ),
    "NamingSystem": (
        error(
            "nsd-1",
            "A root has no UUID.",
            lambda node: node.get("kind") != "root" or not any(one.get("type") == "uuid" for one in node["uniqueId"]),
        ),
        error("nsd-2", "Of each kind of identifier one is preferred at most.", _prefers_one_of_a_kind),
    ),
    "ValueSet.compose.include": (
        error("vsd-1", "An include has value sets or a system.", lambda node: has_any(node, "valueSet", "system")),
        error(
            "vsd-2",
            "Concepts and filters are of a system.",
            lambda node: not has_any(node, "concept", "filter") or has(node, "system"),
        ),
        error("vsd-3", "Concepts or filters, not both.", lambda node: "concept" not in node or "filter" not in node),
    ),
    "ValueSet.expansion.contains": (
        error("vsd-6", "A member has a code or a display.", lambda node: has_any(node, "code", "display")),
        error(
            "vsd-9",
            "A member has a code unless it is abstract.",
            lambda node: has(node, "code") or node.get("abstract") is True,
        ),
        error("vsd-10", "A code has its system.", lambda node: not has(node, "code") or has(node, "system")),
    ),
}
