"""A FHIRPath expression read: text → tokens → a tree (syntax.py).

The whole grammar of operators with its precedence; which functions there are is the compiler's matter. Not read:
quantities with units, `$index` and `$total`, date arithmetic.

Against: an expression so long or so deep that reading it takes the process down. Both are bounded.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple, NoReturn, final

from shared.views.syntax import Binary, Call, Index, Literal, Member, Node, Sign, This, TypeTest, Variable

LONGEST, DEEPEST = 10_000, 60  # characters; brackets in brackets
_DEEPEST_TREE = 150  # `a.b.c` and `a or b or c` are three deep; the compiler and what it makes go down as far

_TOKEN = re.compile(
    r"""\s+ | //[^\n]* | /\*.*?\*/
    | (?P<datetime>@\d{4}(?:-\d\d(?:-\d\d)?)?(?:T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?)?)?)
    | (?P<time>@T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<quoted>`(?:[^`\\]|\\.)*`)
    | (?P<variable>%(?:[A-Za-z_]\w*|`(?:[^`\\]|\\.)*`|'(?:[^'\\]|\\.)*'))
    | (?P<name>[A-Za-z_]\w*)
    | (?P<this>\$this)
    | (?P<symbol><=|>=|!=|!~|[.,()\[\]{}+\-*/&|<>=~])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}
_KNOWN_ESCAPES = frozenset("`'\"\\/")

# how tightly each operator binds; the left of two equal ones comes first
_BINDS = {
    **dict.fromkeys(("*", "/", "div", "mod"), 9),
    **dict.fromkeys(("+", "-", "&"), 8),
    **dict.fromkeys(("is", "as"), 7),
    "|": 6,
    **dict.fromkeys((">", "<", ">=", "<="), 5),
    **dict.fromkeys(("=", "~", "!=", "!~"), 4),
    **dict.fromkeys(("in", "contains"), 3),
    "and": 2,
    **dict.fromkeys(("or", "xor"), 1),
    "implies": 0,
}
_SIGN_BINDS = 10


class NotFhirPath(ValueError):
    """The text is no FHIRPath, or more of it than is read here."""


class _Token(NamedTuple):
    kind: str
    text: str


def parse(text: str) -> Node:
    """The tree of an expression. Raises NotFhirPath."""
    if len(text) > LONGEST:
        raise NotFhirPath
    reader = _Reader(_tokens(text))
    node = reader.expression(0)
    reader.end()
    if _depth(node) > _DEEPEST_TREE:
        raise NotFhirPath
    return node


def _depth(node: Node) -> int:
    deepest, waiting = 0, [(node, 1)]
    while waiting:
        one, depth = waiting.pop()
        deepest = max(deepest, depth)
        waiting.extend((part, depth + 1) for part in _parts(one))
    return deepest


def _parts(node: Node) -> tuple[Node, ...]:
    match node:
        case Binary():
            return node.left, node.right
        case Call():
            return node.of, *node.arguments
        case Index():
            return node.of, node.at
        case Member() | Sign() | TypeTest():
            return (node.of,)
    return ()


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while at < len(text):
        if (match := _TOKEN.match(text, at)) is None:
            raise NotFhirPath
        at = match.end()
        if match.lastgroup is not None:
            found.append(_Token(match.lastgroup, match[0]))
    return found


def _unescaped(quoted: str) -> str:
    def one(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        if match[2] in _PLAIN:
            return _PLAIN[match[2]]
        if match[2] not in _KNOWN_ESCAPES:
            raise NotFhirPath
        return match[2]

    return _ESCAPE.sub(one, quoted[1:-1])


@final
class _Reader:
    """Operator precedence by climbing: an expression ends where an operator binds less than its caller."""

    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def expression(self, least: int) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise NotFhirPath
        left = self._signed()
        while (operator := self._operator()) is not None and _BINDS[operator] >= least:
            self._at += 1
            if operator in ("is", "as"):
                left = TypeTest(operator, left, self._type_name())
            else:
                left = Binary(operator, left, self.expression(_BINDS[operator] + 1))
        self._depth -= 1
        return left

    def end(self) -> None:
        if self._at != len(self._tokens):
            raise NotFhirPath

    def _signed(self) -> Node:
        if (sign := self._peek()) and sign.kind == "symbol" and sign.text in "+-":
            self._at += 1
            return Sign(sign.text, self.expression(_SIGN_BINDS))
        return self._path()

    def _path(self) -> Node:
        node = self._term()
        while (token := self._peek()) is not None and token.kind == "symbol":
            if token.text == ".":
                self._at += 1
                node = self._step(node, self._name())
            elif token.text == "[":
                self._at += 1
                node = Index(node, self.expression(0))
                self._expect("]")
            else:
                break
        return node

    def _term(self) -> Node:
        token = self._peek() or self._refuse()
        self._at += 1
        match token.kind:
            case "number":
                is_decimal = "." in token.text
                return Literal(
                    float(token.text) if is_decimal else int(token.text), "decimal" if is_decimal else "integer"
                )
            case "string":
                return Literal(_unescaped(token.text), "string")
            case "datetime":
                moment = token.text[1:]
                return Literal(moment.removesuffix("T"), "dateTime" if "T" in moment else "date")
            case "time":
                return Literal(token.text[2:], "time")
            case "variable":
                name = token.text[1:]
                return Variable(_unescaped(name) if name[0] in "`'" else name)
            case "this":
                return This()
            case "name" if token.text in ("true", "false") and not self._is("("):
                return Literal(token.text == "true", "boolean")
            case "name" | "quoted":
                self._at -= 1
                return self._step(This(), self._name())
            case _ if token.text == "(":
                inner = self.expression(0)
                self._expect(")")
                return inner
            case _ if token.text == "{":
                self._expect("}")
                return Literal(None, None)
        raise NotFhirPath

    def _step(self, of: Node, name: str) -> Node:
        if not self._is("("):
            return Member(of, name)
        self._at += 1
        arguments = []
        while not self._is(")"):
            arguments.append(self.expression(0))
            if not self._is(")"):
                self._expect(",")
        self._at += 1
        return Call(of, name, tuple(arguments))

    def _name(self) -> str:
        token = self._peek() or self._refuse()
        if token.kind not in ("name", "quoted"):
            self._refuse()
        self._at += 1
        return token.text if token.kind == "name" else _unescaped(token.text)

    def _type_name(self) -> str:
        name = self._name()
        while self._is("."):
            self._at += 1
            name = f"{name}.{self._name()}"
        return name

    def _operator(self) -> str | None:
        token = self._peek()
        return token.text if token is not None and token.kind in ("name", "symbol") and token.text in _BINDS else None

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _is(self, symbol: str) -> bool:
        return (token := self._peek()) is not None and token == ("symbol", symbol)

    def _expect(self, symbol: str) -> None:
        if not self._is(symbol):
            self._refuse()
        self._at += 1

    def _refuse(self) -> NoReturn:
        raise NotFhirPath
