"""`_name` beside a primitive `name`: an Element with its id and extensions, or an array of them, aligned by nulls."""

from collections.abc import Mapping

from shared.fhir.validation.findings import MOST, Check, Findings, Known, Told, below


def strangers(
    node: Mapping[str, object],
    siblings: Mapping[str, bool],
    slots: Mapping[str, Check],
    element: Check,
    found: Findings,
    known: Known,
    depth: int,
) -> Findings:
    """What has no slot in an object: a `_name`, or an element that R4 does not know. With what was found before."""
    for key, value in node.items():
        if key in slots:
            continue
        name = key.removeprefix("_")
        if name is key or (many := siblings.get(name)) is None:
            found.append(("error", "unknown-element", ""))
            continue
        if many and isinstance(value, list):  # a null has something beside it
            covered = {f".{name}[{index}]" for index, item in enumerate(value) if item is not None}
            found = [one for one in found if one[1] != "null" or one[2] not in covered]
        if (told := _beside(node.get(name), value, many, element, known, depth)) is not None:
            found += below(f".{name}", told, value)
    return found


def _beside(plain: object, value: object, many: bool, element: Check, known: Known, depth: int) -> Told:
    if not many:
        return _one(plain, value, element, known, depth)
    if not isinstance(value, list):
        return "cardinality-list"
    if all(item is None for item in value):
        return "empty"
    beside = plain if isinstance(plain, list) else [None] * len(value)
    if len(beside) != len(value):
        return "null"
    found: Findings = []
    for index, (first, item) in enumerate(zip(beside, value, strict=True)):
        if item is not None and (told := _one(first, item, element, known, depth)) is not None:
            found += below(f"[{index}]", told, item)
    return found[:MOST] or None


def _one(plain: object, value: object, element: Check, known: Known, depth: int) -> Told:
    told = element(value, known, depth)
    if plain is not None and told == [("error", "ele-1", "")]:
        return None  # an id alone is enough beside a value
    return told
