"""The invariants of what is contained in a resource, asked of resources that contain something."""

from collections.abc import Iterator

from shared.fhir.validation.invariants.rule import Invariant, Node, error


def _all_are_used(node: Node) -> bool:
    """Each contained resource is referred to by its id from somewhere, or refers to what contains it."""
    used = set(_local(node))
    return all(f"#{one.get('id')}" in used or "#" in _local(one) for one in node["contained"])


def _local(node: Node) -> Iterator[str]:
    """Every text in it that is a local reference. The structure holds, so its depth has an end."""
    todo: list[object] = [node]
    while todo:
        one = todo.pop()
        if type(one) is dict:
            todo.extend(one.values())
        elif type(one) is list:
            todo.extend(one)
        elif type(one) is str and one[:1] == "#":
            yield one


CONTAINER: tuple[Invariant, ...] = (
    error("dom-3", "A contained resource that nothing refers to.", _all_are_used),
    error(
        "dom-4",
        "A contained resource has no version and no time of change.",
        lambda node: not any({"versionId", "lastUpdated"} & one.get("meta", {}).keys() for one in node["contained"]),
    ),
    error(
        "dom-5",
        "A contained resource has no security label.",
        lambda node: not any("security" in one.get("meta", {}) for one in node["contained"]),
    ),
)
