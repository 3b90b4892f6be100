"""A dataset's last risk report, as operators may see it: figures of everybody together, and what the gate said.

    ./dev risk --dataset D --publish ─► mark `risk:D`, beside the analytics zone's ledger ─► /ops

A figure of one to ten people is not in it (None): CMS's cell size suppression policy, as everywhere else. Who writes it
may read the dataset; the ops zone may not, and reads this.
"""

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.marks import Marks

CELL = 11  # CMS's cell size suppression policy: no cell of 1 to 10 people is published


class Figures(BaseModel):
    """Of one set of quasi-identifiers. None: of fewer than eleven people, and more than none."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    set: str = Field(pattern=r"^[a-z][a-z0-9\-]{0,40}$")
    patients: int | None
    smallest: int | None  # k
    alone: float | None  # share of the patients
    small: float | None  # share of those in classes under 11
    average_risk: float


class Published(BaseModel):
    """`outside`: what is outside the gate, as set and figure. `epoch`: the tenant's, which goes up with each change of policy."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    dataset: str
    at: str  # RFC 3339
    policy: str
    epoch: int
    max_unique: float
    max_small: float
    min_k: int | None
    sets: tuple[Figures, ...]
    outside: tuple[tuple[str, str], ...]

    @property
    def inside(self) -> bool:
        """The verdict."""
        return not self.outside


async def publish(marks: Marks, report: Published) -> None:
    """In the place of the last one. Raises Problem(LEDGER_DOWN)."""
    await marks.set(_name(report.dataset), report.model_dump_json())


async def last(marks: Marks, dataset: str) -> Published | None:
    """The last one; None where there is none, or none that this release can read. Raises Problem(LEDGER_DOWN)."""
    text = await marks.get(_name(dataset))
    try:
        return Published.model_validate_json(text) if text else None
    except ValidationError:
        return None


def _name(dataset: str) -> str:
    return f"risk:{dataset}"
