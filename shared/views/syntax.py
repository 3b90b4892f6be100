"""The shape of a FHIRPath expression, as the parser gives it and the compiler takes it."""

from msgspec import Struct

type Node = This | Literal | Variable | Member | Call | Index | Sign | Binary | TypeTest


class This(Struct, frozen=True):
    """The item in focus: `$this`, and what a path starts from."""


class Literal(Struct, frozen=True):
    """A value with its FHIR type; None is the empty collection `{}`."""

    value: str | int | float | bool | None
    type: str | None


class Variable(Struct, frozen=True):
    """`%name`: a constant of the view, or of the environment."""

    name: str


class Member(Struct, frozen=True):
    """`of.name`"""

    of: Node
    name: str


class Call(Struct, frozen=True):
    """`of.name(arguments)`"""

    of: Node
    name: str
    arguments: tuple[Node, ...]


class Index(Struct, frozen=True):
    """`of[at]`"""

    of: Node
    at: Node


class Sign(Struct, frozen=True):
    """`+of`, `-of`"""

    sign: str
    of: Node


class Binary(Struct, frozen=True):
    """`left operator right`"""

    operator: str
    left: Node
    right: Node


class TypeTest(Struct, frozen=True):
    """`of is type`, `of as type`"""

    operator: str
    of: Node
    type: str
