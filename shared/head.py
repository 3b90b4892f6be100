"""The head of a request, looked through once: whoever wants a header then finds it at once, with all its values.

A header that was sent twice could be understood in two ways, so nobody is given one of several values without asking.
"""

from collections.abc import Sequence

type Headers = Sequence[tuple[bytes, bytes]]  # lower-case names, as ASGI gives them


class Head:
    """Of the headers in `pairs`. Values are told as text, latin-1 (RFC 9110 §5.5)."""

    __slots__ = ("_repeated", "_values", "pairs")

    def __init__(self, pairs: Headers) -> None:
        self.pairs, self._values = pairs, dict(pairs)
        self._repeated = len(self._values) < len(pairs)

    def all(self, name: bytes) -> list[str]:
        """The header's values, in the order in which they came."""
        if self._repeated:
            return [value.decode("latin-1") for key, value in self.pairs if key == name]
        value = self._values.get(name)
        return [] if value is None else [value.decode("latin-1")]

    def one(self, name: bytes) -> str | None:
        """The header's value, if it has exactly one."""
        values = self.all(name)
        return values[0] if len(values) == 1 else None
