"""What a compiled expression is, and where it stands.

Each node of an expression becomes a closure over the closures of its parts, so at run time nothing is looked up by name
and no tree is walked. What the view alone tells is used beforehand: the type in focus (fhir_types.py) turns
`value.ofType(Quantity)` into one look at `valueQuantity`, tells dates from strings, and spares boolean operators the
question whether they were given many.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from shared.views.collection import one, truth
from shared.views.syntax import Literal, Node

type Scope = tuple[Any, int]  # what no path reaches from the item in focus: the resource, and %rowIndex
type Run = Callable[[Any, Scope], Any]


class Path(NamedTuple):
    """Members one after the other, from what `base` gives, or from the item in focus. `one`: the last is one by FHIR."""

    base: Run | None
    names: tuple[str, ...]
    one: bool = False

    @property
    def plain(self) -> bool:
        """Whether it is one member, and one thing, of the item in focus."""
        return self.base is None and self.one and len(self.names) == 1


class Unsupported(Exception):
    """The view asks for what is not to be had: the code says what."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Wrong(Exception):
    """An operand that the operator does not take."""


class Expression(NamedTuple):
    """A compiled expression: `run` gives a collection (collection.py). The rest is what is known of it beforehand."""

    run: Run
    type: str | None = None
    single: bool = False  # it never gives a list
    choices: tuple[str, ...] = ()  # the types that it may still have
    constant: Literal | None = None  # it is always this
    path: Path | None = None  # it is members alone: these, from there
    matches: tuple[tuple[str, object], ...] = ()  # it asks whether these members have these values, and nothing else

    @property
    def boolean(self) -> bool:
        """Whether it gives true, false or None and nothing else."""
        return self.single and self.type == "boolean"


class Context(NamedTuple):
    """Where an expression stands: the type in focus, the resource's, the view's constants; and how to compile a part."""

    focus: str | None
    resource: str
    constants: Mapping[str, Literal]
    compiler: Callable[[Node, "Context"], Expression]
    known: dict[tuple[int, str | None], tuple[Node, Expression]]  # the node is kept, so that its id stays its own

    def compile(self, node: Node) -> Expression:
        """A part of an expression, with the same item in focus, once. Raises Unsupported."""
        key = (id(node), self.focus)
        if key not in self.known:
            self.known[key] = (node, self.compiler(node, self))
        return self.known[key][1]

    def inside(self, focus: str | None) -> "Context":
        """The same, with the items of a collection in focus."""
        return self._replace(focus=focus)


type Build = Callable[
    [Expression, tuple[Node, ...], Context], Expression
]  # a function, on what and with which arguments


def boolean(run: Run) -> Expression:
    """An expression that gives true, false or None."""
    return Expression(run, "boolean", single=True)


def as_truth(of: Expression) -> Run:
    """An expression where a boolean is wanted."""
    return of.run if of.boolean else lambda item, scope: truth(of.run(item, scope))


def as_one(of: Expression) -> Run:
    """An expression where one item is wanted."""
    return of.run if of.single else lambda item, scope: one(of.run(item, scope))
