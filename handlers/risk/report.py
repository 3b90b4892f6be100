"""The figures of a data set, as JSON for a pipeline and as a table for people. Sizes and shares, and no value of anybody."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shared.deid.quasi import QuasiSet
from shared.deid.risk import BANDS, Breach, Gate, Measure, breaches

_WORDS = {"unique": "patients alone", "small": "patients in classes under 11", "k": "smallest class"}


@dataclass(frozen=True, slots=True)
class Report:
    """`source`: what was measured, in words. `refused`: lines that never became part of it."""

    source: str
    refused: int
    gate: Gate
    sets: Sequence[QuasiSet]
    measures: Mapping[str, Measure]

    @property
    def breaches(self) -> tuple[tuple[str, Breach], ...]:
        """Each figure that is outside the gate, with its set's id."""
        return tuple((id, breach) for id, of in self.measures.items() for breach in breaches(self.gate, of))


def as_json(report: Report) -> dict[str, object]:
    """Its keys are a contract."""
    gate = report.gate
    return {
        "source": report.source,
        "refused_lines": report.refused,
        "gate": {"max_unique": gate.max_unique, "max_small": gate.max_small, "min_k": gate.min_k},
        "sets": {one.id: _as_json(one, report.measures[one.id]) for one in report.sets},
        "outside": [{"set": id, **breach._asdict()} for id, breach in report.breaches],
        "inside": not report.breaches,
    }


def _as_json(one: QuasiSet, of: Measure) -> dict[str, object]:
    return {
        "columns": [column.id for column in one.columns],
        "patients": of.patients,
        "classes": of.classes,
        "k": of.k,
        "sizes": {name: band._asdict() for name, band in of.bands.items()},
        "unique": of.unique,
        "small": of.small,
        "risk": {"average": of.average_risk, "greatest": of.greatest_risk},
        "sensitive": {"of": one.sensitive.id, "l": of.diversity, "below_2": of.uniform, "told": of.told},
    }


def as_text(report: Report) -> str:
    """One column for each set, then the sets in words, then what the gate says."""
    measures = [report.measures[one.id] for one in report.sets]
    rows = [["", *(one.id for one in report.sets)]]
    for label, cell in _ROWS.items():
        rows.append([label, *(cell(of) for of in measures)])
    for name in BANDS:
        rows.append([f"patients in classes of {name}", *(f"{of.bands[name].patients:,}" for of in measures)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [report.source + (f", without {report.refused} refused lines" if report.refused else ""), ""]
    for label, *cells in rows:
        right = (f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join([f"{label:<{widths[0]}}", *right]).rstrip())
    lines.append("")
    for one in report.sets:
        lines.append(f"{one.id}: {', '.join(column.id for column in one.columns)}; sensitive: {one.sensitive.id}")
        lines.append(f"  {one.why}")
    return "\n".join([*lines, "", *_verdict(report)]) + "\n"


_ROWS: Mapping[str, Callable[[Measure], str]] = {
    "patients": lambda of: f"{of.patients:,}",
    "classes": lambda of: f"{of.classes:,}",
    "smallest class (k)": lambda of: f"{of.k:,}",
    "patients alone in their class": lambda of: _percent(of.unique),
    "patients in classes under 11": lambda of: _percent(of.small),
    "average risk of a patient": lambda of: _percent(of.average_risk),
    "greatest risk of a patient": lambda of: _percent(of.greatest_risk),
    "sensitive values: least diversity (l)": lambda of: f"{of.diversity:,}",
    "classes with l under 2": lambda of: _percent(of.uniform),
    "sensitive value told by the class": lambda of: _percent(of.told),
}


def _verdict(report: Report) -> list[str]:
    gate = report.gate
    least = "" if gate.min_k is None else f", k at least {gate.min_k}"
    asked = f"at most {_percent(gate.max_unique)} alone, {_percent(gate.max_small)} in classes under 11{least}"
    if not report.breaches:
        return [f"inside the gate: {asked}"]
    return [f"OUTSIDE the gate: {asked}", *(f"  {line}" for line in outside(report))]


def outside(report: Report) -> list[str]:
    """Each figure outside its limit, in words."""
    return [_in_words(id, breach) for id, breach in report.breaches]


def _in_words(id: str, breach: Breach) -> str:
    if breach.figure == "k":
        return f"{id}: {_WORDS['k']} {breach.value:,}, less than {breach.limit:,}"
    return f"{id}: {_WORDS[breach.figure]} {_percent(breach.value)}, more than {_percent(breach.limit)}"


def _percent(share: float) -> str:
    return f"{share:.2%}"
