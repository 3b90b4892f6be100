"""The place that a rule is about: a path of R4's elements, held against the table of elements when the rules are read.

Observation.component.value[x]   every type of a choice          Patient.identifier.system   in each identifier
Observation.valueQuantity        one of them, by its JSON name    Coding.code                 of a data type: wherever it is
"""

from collections.abc import Mapping

from msgspec import Struct

from shared.fhir.elements import CHOICE, json_names, types

type Node = Mapping[str, object]


class Place(Struct, frozen=True):
    """`steps` lead from the root to the node that holds the element; `names` are its JSON names, `types` theirs.

    `name` is what FHIRPath calls the element: a choice without its `[x]`. `many`: JSON has it as an array.
    """

    root: str
    steps: tuple[str, ...]
    name: str
    names: tuple[str, ...]
    types: tuple[str, ...]
    many: bool

    def nodes(self, resource: Node) -> list[tuple[Node, str]]:
        """Each node that may hold the element, with its FHIRPath."""
        found = [(resource, self.root)]
        for step in self.steps:
            found = [inner for node, path in found if step in node for inner in _within(node[step], f"{path}.{step}")]
        return found


def place(text: str) -> Place:
    """The place that a path names. Raises ValueError, with the step that R4 does not know."""
    root, *steps = text.split(".")
    if root not in types() or not steps:
        raise ValueError(f"{root}: no element of a type of R4")
    at = root
    for step in steps[:-1]:
        named = _names(at, step)
        if len(named) != 1 or step.endswith(CHOICE):
            raise ValueError(f"{step}: {at} has no such element")
        at = named[step]
    named = _names(at, steps[-1])
    if not named:
        raise ValueError(f"{steps[-1]}: {at} has no such element")
    last, known = steps[-1], types()[at].elements
    many = last in known and known[last].many
    return Place(root, tuple(steps[:-1]), last.removesuffix(CHOICE), tuple(named), tuple(named.values()), many)


def _names(at: str, step: str) -> Mapping[str, str]:
    """The JSON names that a step stands for, each with its type: of a choice all, or the one."""
    for name, element in types()[at].elements.items():
        given = json_names(name, element)
        if step == name:
            return given
        if step in given:
            return {step: given[step]}
    return {}


def _within(value: object, path: str) -> list[tuple[Node, str]]:
    if isinstance(value, dict):
        return [(value, path)]
    if isinstance(value, list):
        return [(item, f"{path}[{index}]") for index, item in enumerate(value) if isinstance(item, dict)]
    return []
