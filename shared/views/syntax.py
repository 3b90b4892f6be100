"""The shape of a FHIRPath expression, as the parser gives it and the compiler takes it."""

from dataclasses import dataclass

type Node = This | Literal | Variable | Member | Call | Index | Sign | Binary | TypeTest


@dataclass(frozen=True, slots=True)
class This:
    """The item in focus: `$this`, and what a path starts from."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value with its FHIR type; None is the empty collection `{}`."""

    value: str | int | float | bool | None
    type: str | None


@dataclass(frozen=True, slots=True)
class Variable:
    """`%name`: a constant of the view, or of the environment."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """`of.name`"""

    of: Node
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """`of.name(arguments)`"""

    of: Node
    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """`of[at]`"""

    of: Node
    at: Node


@dataclass(frozen=True, slots=True)
class Sign:
    """`+of`, `-of`"""

    sign: str
    of: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`"""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class TypeTest:
    """`of is type`, `of as type`"""

    operator: str
    of: Node
    type: str
