"""`./dev risk --dataset D | --ndjson`: the figures on stdout, and a gate for a release; --publish shows them to operators.

    0 = inside the gate in every set asked for · 1 = outside, and it says which figure · 2 = nothing could be measured

Against a gate that opens by mistake: no patients, an unreadable line or a silent warehouse is never "inside".
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

import orjson

from handlers.risk import lines, report, warehouse
from shared.deid import quasi
from shared.deid.quasi import QuasiSet
from shared.deid.risk import Classes, Gate, NoPatients, measure
from shared.errors import Problem

if TYPE_CHECKING:
    from shared.settings import Settings

_INSIDE, _OUTSIDE, _NOTHING = 0, 1, 2


class _Unmeasured(Exception):
    """Why there are no figures, in words that hold nothing of the data."""


@dataclass(frozen=True, slots=True)
class _Found:
    """`by_set`: a set's id → its classes. `refused`: lines that are not in them."""

    source: str
    by_set: Mapping[str, Classes]
    refused: int = 0


def run(options: argparse.Namespace, stdin: Iterable[bytes], stdout: TextIO) -> int:
    """Measure, print, judge."""
    questions = quasi.load()
    if options.publish and (options.ndjson or options.set):
        return _nothing("--publish is for a whole dataset: not with --ndjson or --set")
    try:
        sets = _chosen(options.set, questions.sets)
        found = _lines(stdin, sets) if options.ndjson else _dataset(options, sets)
        measures = {id: measure(classes) for id, classes in found.by_set.items()}
    except _Unmeasured as reason:
        return _nothing(str(reason))
    except NoPatients:
        return _nothing("there is not one patient")
    result = report.Report(found.source, found.refused, _gate(options, questions.gate), sets, measures)
    if options.publish and not _published(result, options.dataset):
        return _NOTHING
    if not options.json:
        stdout.write(report.as_text(result))
    else:
        stdout.write(orjson.dumps(report.as_json(result), option=orjson.OPT_APPEND_NEWLINE).decode())
        sys.stderr.writelines(f"risk: outside the gate: {line}\n" for line in report.outside(result))
    return _OUTSIDE if result.breaches else _INSIDE


def _published(result: report.Report, dataset: str) -> bool:
    """Whether operators can see it now; a report that was to be shown and is not is no good end."""
    from handlers.risk.publishing import keep

    try:
        asyncio.run(keep(result, _settings(), dataset))
    except Problem as problem:
        sys.stderr.write(f"risk: not published: {problem}\n")
        return False
    return True


def _nothing(reason: str) -> int:
    sys.stderr.write(f"risk: {reason}\n")
    return _NOTHING


def _chosen(ids: Sequence[str] | None, sets: Mapping[str, QuasiSet]) -> list[QuasiSet]:
    if unknown := sorted(set(ids or ()) - set(sets)):
        raise _Unmeasured(f"no set {', '.join(unknown)}; there are {', '.join(sets)}")
    return [one for one in sets.values() if not ids or one.id in ids]


def _gate(options: argparse.Namespace, default: Gate) -> Gate:
    def given[T](option: T | None, otherwise: T) -> T:
        return otherwise if option is None else option

    return Gate(
        given(options.max_unique, default.max_unique),
        given(options.max_small, default.max_small),
        given(options.min_k, default.min_k),
    )


def _lines(stdin: Iterable[bytes], sets: Sequence[QuasiSet]) -> _Found:
    try:
        read = lines.read(stdin, sets)
    except lines.NotDeidentified as where:
        raise _Unmeasured(f"{where} is no de-identified resource; ./dev deid writes such") from None
    if read.refused:
        sys.stderr.write(f"risk: {read.refused} lines were refused by the door, and are not in these figures\n")
    return _Found("NDJSON", read.by_set, read.refused)


def _dataset(options: argparse.Namespace, sets: Sequence[QuasiSet]) -> _Found:
    settings = _settings()
    endpoint = options.endpoint or settings.bigquery_url or os.environ.get("BIGQUERY_EMULATOR_HOST", "")
    if settings.bigquery_endpoint and not endpoint:
        raise _Unmeasured("the settings name a local warehouse: --endpoint is to name its REST address")
    if (settings.tenants or options.publish) and options.dataset not in {
        release.dataset for tenant in settings.tenants for release in tenant.releases
    }:
        raise _Unmeasured("no tenant has this dataset")
    try:
        found = warehouse.ask(sets, settings.gcp_project, options.dataset, endpoint)
    except warehouse.NoName:
        raise _Unmeasured("this is not the name of a dataset, or the settings' project is none") from None
    except Problem as problem:
        raise _Unmeasured(f"the warehouse gave no figures: {problem}") from None
    where = f" at {endpoint}" if endpoint else ""
    return _Found(f"dataset {settings.gcp_project}.{options.dataset}{where}", found)


def _settings() -> "Settings":
    """Those of the environment. Raises _Unmeasured."""
    from pydantic import ValidationError

    from shared.settings import load

    try:
        return load()
    except (ValidationError, OSError):
        raise _Unmeasured("the settings in the environment can not be read") from None
