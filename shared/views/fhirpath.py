"""FHIRPath compiled: text → tree (parser.py) → closures (members.py, operators.py, functions.py).

What is read is SQL-on-FHIR's subset and a little around it. What is not (an unknown function, a constant that the view
does not define) is refused here, before any resource is seen.
"""

from collections.abc import Mapping

from shared.views import arithmetic, functions, members, operators
from shared.views import fhir_types as types
from shared.views.collection import NotOne
from shared.views.expression import Context, Expression, Unsupported, Wrong
from shared.views.parser import NotFhirPath, parse
from shared.views.syntax import Binary, Call, Index, Literal, Member, Node, Sign, This, TypeTest, Variable

FAILURES = (NotOne, Wrong, *arithmetic.FAILURES)  # what running an expression may raise


def context(resource: str, constants: Mapping[str, Literal]) -> Context:
    """Where a view's expressions start: with the resource in focus."""
    return Context(resource, resource, constants, compile_node, {})


def read(text: str) -> Node:
    """The tree of an expression. Raises Unsupported."""
    try:
        return parse(text)
    except NotFhirPath:
        raise Unsupported("bad-fhirpath") from None


def compile_node(node: Node, where: Context) -> Expression:
    """Raises Unsupported."""
    match node:
        case This():
            return members.this(where)
        case Literal():
            return members.literal(node)
        case Variable():
            return members.variable(node.name, where)
        case Member():
            return members.member(node, where)
        case Index():
            return members.index(where.compile(node.of), where.compile(node.at))
        case Sign():
            return operators.sign(node.sign, where.compile(node.of))
        case Binary():
            return operators.binary(node, where)
        case TypeTest("as", of, name):
            return members.of_type(of, name, where)
        case TypeTest(_, of, name):
            return members.is_type(of, name, where)
        case Call(of, "ofType" | "as", arguments):
            return members.of_type(of, functions.type_argument(arguments), where)
        case Call(of, "is", arguments):
            return members.is_type(of, functions.type_argument(arguments), where)
        case Call(Member(of, name), "extension", arguments) if _is_primitive(of, name, where):
            return functions.call_on(functions.beside(where.compile(of), name), "extension", arguments, where)
        case Call(of, name, arguments):
            return functions.call_on(where.compile(of), name, arguments, where)


def _is_primitive(of: Node, name: str, where: Context) -> bool:
    return types.member(where.compile(of).type, name).type in types.PRIMITIVES
