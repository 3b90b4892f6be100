"""PHI has no text form.

`Phi[T]` carries a value that may hold protected health information (45 CFR 160.103) through code that must not show
it. Every way in which Python turns a value into text or bytes answers `[PHI]` or refuses; `.reveal()` is the one way
out, is greppable, and its callers are listed in tests/walls/test_phi.py. Against: f-strings, `%s`, `repr` in
tracebacks, `logging`, pickling into caches and queues, JSON encoders with `default=str`, pytest's assertion output.

Left out: a determined caller can read `_Phi__value`. The type makes a leak impossible by accident; review and the walls
tests carry the rest.
"""

from typing import NoReturn, final

MASK = "[PHI]"


@final
class Phi[T]:
    """A value that may hold PHI. Compares by identity only, so that no equality test becomes an oracle in a log."""

    __slots__ = ("__value",)

    def __init__(self, value: T) -> None:
        self.__value = value

    def reveal(self) -> T:
        """The value itself. Each caller of this is named in tests/walls/test_phi.py."""
        return self.__value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __bytes__(self) -> bytes:
        return MASK.encode()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("PHI can not be pickled or copied")

    def __copy__(self) -> "Phi[T]":
        return self

    def __deepcopy__(self, memo: object) -> "Phi[T]":
        return self
