"""What a compiled view is, and the two ways in which one fails.

A definition that is no good is refused when it is compiled (ViewError: a code and a place in the definition). A resource
that a good view cannot be evaluated on is refused at run time (Problem VIEW_FAILED: the FHIRPath that failed). Neither
carries a value.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from msgspec import Struct

type Resource = Mapping[str, object]
type Row = dict[str, object]


class ViewError(Exception):
    """A definition is refused: why (a slug such as `unknown-constant`), and where in it (`select[0].column[1].path`)."""

    def __init__(self, code: str, place: str) -> None:
        super().__init__(code, place)
        self.code = code
        self.place = place

    def __str__(self) -> str:
        return f"{self.code} at {self.place}" if self.place else self.code


class ViewColumn(Struct, frozen=True):
    """A column of a view. `type` is a FHIR type (`dateTime`), or None where the definition and the path do not say."""

    name: str
    path: str
    type: str | None = None
    collection: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """A view, ready to run. `rows` gives a resource's rows, each in the order of `columns`; none for another type.

    `rows` raises Problem VIEW_FAILED where the resource does not fit the view. With `exact_decimals` it asks how
    precisely numbers were written: whoever reads JSON for it should keep their zeros (Decimal).
    """

    name: str
    resource: str
    columns: tuple[ViewColumn, ...]
    rows: Callable[[Resource], list[Row]] = field(repr=False, compare=False)
    exact_decimals: bool = False
