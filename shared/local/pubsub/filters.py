"""Pub/Sub's filter language, compiled to a predicate over a message's attributes.

    attributes:domain AND NOT (attributes.type = "a" OR hasPrefix(attributes."ce-type", "io.starvit."))

As in production AND and OR are not mixed without parentheses, `-` is another way to write NOT, operators are upper
case, and the text has 256 bytes at most.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from shared.local.pubsub.refusal import invalid

type Wants = Callable[[Mapping[str, str]], bool]

_MOST_BYTES = 256
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"(?:[^"\\]|\\.)*")
      | (?P<mark>!=|[=:.,()])
      | (?P<word>\w[\w\-]*)
      | (?P<minus>-)
    )""",
    re.VERBOSE | re.ASCII,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([0-7]{3})|(.))")


def predicate(text: str) -> Wants:
    """The predicate of a filter; an empty one takes every message. Raises Refused(INVALID_ARGUMENT)."""
    if not text.strip():
        return lambda attributes: True
    if len(text.encode()) > _MOST_BYTES:
        raise invalid("filter is longer than 256 bytes")
    return _Parser(text).whole()


def _tokens(text: str) -> Iterator[str]:
    at, text = 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise invalid(f"filter can not be read at {at}")
        at = match.end()
        yield match.group(match.lastgroup or 0)


class _Parser:
    """Recursive descent: expression → unary {AND unary} | unary {OR unary}."""

    def __init__(self, text: str) -> None:
        self._tokens = [*_tokens(text), ""]
        self._at = 0

    def whole(self) -> Wants:
        wants = self._expression()
        self._expect("")
        return wants

    def _expression(self) -> Wants:
        parts = [self._unary()]
        operator = self._tokens[self._at]
        if operator not in ("AND", "OR"):
            return parts[0]
        while self._tokens[self._at] == operator:
            self._at += 1
            parts.append(self._unary())
        every = all if operator == "AND" else any
        return lambda attributes: every(part(attributes) for part in parts)

    def _unary(self) -> Wants:
        if self._tokens[self._at] in ("NOT", "-"):
            self._at += 1
            wants = self._unary()
            return lambda attributes: not wants(attributes)
        if self._tokens[self._at] == "(":
            self._at += 1
            wants = self._expression()
            self._expect(")")
            return wants
        return self._term()

    def _term(self) -> Wants:
        match self._next():
            case "hasPrefix":
                for expected in ("(", "attributes", "."):
                    self._expect(expected)
                name = self._name()
                self._expect(",")
                value = self._text()
                self._expect(")")
                return lambda attributes: attributes.get(name, "").startswith(value) and name in attributes
            case "attributes":
                return self._attribute()
        raise invalid("filter has a term that is neither attributes nor hasPrefix")

    def _attribute(self) -> Wants:
        mark = self._next()
        if mark == ":":
            name = self._name()
            return lambda attributes: name in attributes
        if mark != ".":
            raise invalid("filter names no attribute")
        name = self._name()
        match self._next():
            case "=":
                value = self._text()
                return lambda attributes: attributes.get(name) == value
            case "!=":
                value = self._text()
                return lambda attributes: attributes.get(name) != value
        raise invalid("filter compares with something else than = and !=")

    def _name(self) -> str:
        token = self._next()
        if token.startswith('"'):
            return _unquoted(token)
        if not re.match(r"\w", token):
            raise invalid("filter names no attribute")
        return token

    def _text(self) -> str:
        token = self._next()
        if not token.startswith('"'):
            raise invalid("filter compares with something that is not a quoted text")
        return _unquoted(token)

    def _next(self) -> str:
        token = self._tokens[self._at]
        self._at += bool(token)
        return token

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise invalid("filter is not a well-formed expression")


def _unquoted(token: str) -> str:
    return _ESCAPE.sub(_escaped, token[1:-1])


def _escaped(match: re.Match[str]) -> str:
    unicode, hexadecimal, octal, itself = match.groups()
    if itself is not None:
        return str(itself)
    return chr(int(octal, 8) if octal else int(unicode or hexadecimal, 16))
