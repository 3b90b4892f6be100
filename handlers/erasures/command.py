"""`./dev erase`: forget a patient, beyond the door, and print the proof. `./dev erase show ORDER`: print it again.

Exit 0: proven, or a dry run that was answered; 1: not proven yet (order again: it is safe), or something did not answer;
2: wrong usage, or settings that can not be read. Neither the patient's id nor a pseudonym is ever printed.
"""

import argparse
import asyncio
import json
import re
import secrets
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from handlers.deadletters.command import settings as running_settings
from handlers.deadletters.planning import refuse_unfit
from handlers.erasures.orders import Order, Orders, told
from shared.erasures.opening import open_erasures
from shared.erasures.port import Erasures, Proof
from shared.errors import Problem
from shared.settings import Settings
from shared.sinks.pubsub import PubSubPublisher

_GOOD, _NOT_PROVEN, _WRONG_USAGE = 0, 1, 2
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_ORDER = re.compile(r"[0-9a-f]{32}")


def run(options: argparse.Namespace, patient_file: Path | None) -> int:
    """Order it, or show an order."""
    try:
        settings, order = running_settings(), _order(options, patient_file)
    except (ValidationError, OSError):
        print("erase: the settings or the patient's file can not be read", file=sys.stderr)
        return _WRONG_USAGE
    except ValueError as wrong:
        print(f"erase: {wrong.args[0]}", file=sys.stderr)  # our own words, below
        return _WRONG_USAGE
    except Problem as problem:
        print(f"erase: {problem}", file=sys.stderr)
        return _WRONG_USAGE
    try:
        return asyncio.run(_run(settings, order, options))
    except Problem as problem:
        print(f"erase: {problem}", file=sys.stderr)
        return _NOT_PROVEN


def _order(options: argparse.Namespace, patient_file: Path | None) -> Order | str:
    """The order, or the id of the one that is to be shown. Raises ValueError, OSError, Problem."""
    match options.show:
        case ["show", id] if _ORDER.fullmatch(id):
            return str(id)
        case []:
            pass
        case _:
            raise ValueError("usage: ./dev erase show ORDER, or ./dev erase --project NAME --patient ID …")
    patient = patient_file.read_text().strip() if patient_file else options.patient
    if not all((options.project, patient, options.reason, options.by)):
        raise ValueError("say whom and on whose word: --project, --patient or --patient-file, --reason, --by")
    if not _ID.fullmatch(patient):
        raise ValueError("the patient's id is none of Medplum's")
    refuse_unfit(options.reason, options.by)
    at = datetime.now(UTC)
    return Order(options.project, patient, options.by, options.reason, options.dry_run, secrets.token_hex(16), at)


async def _run(settings: Settings, order: Order | str, options: argparse.Namespace) -> int:
    async with AsyncExitStack() as stack:
        erasures = open_erasures(settings.ledger_beyond, project=settings.gcp_project)
        stack.push_async_callback(erasures.close)
        if isinstance(order, str):
            return await _show(erasures, order, as_json=options.json)
        publisher = PubSubPublisher(settings.gcp_project, settings.pubsub_endpoint)
        stack.push_async_callback(publisher.close)
        if not options.json:
            print(f"order {order.id}")
        last: Sequence[Proof] = ()
        async for proofs in Orders(publisher, erasures, time.time).carry_out(order, options.wait):
            last = proofs
            _say(proofs, as_json=options.json)
        return _ended(last, order.dry_run)


async def _show(erasures: Erasures, order: str, *, as_json: bool) -> int:
    proofs = await erasures.proofs(order)
    _say(proofs, as_json=as_json)
    last = [proof for proof in proofs if proof.round == proofs[-1].round]
    return _ended(last, bool(last and last[0].dry_run))


def _ended(last: Sequence[Proof], dry_run: bool) -> int:
    whole = bool(last) and len(last) >= last[0].datasets
    if whole and (dry_run or all(proof.empty for proof in last)):
        return _GOOD
    print("erase: not proven yet; what was ordered goes on, and may be ordered again", file=sys.stderr)
    return _NOT_PROVEN


def _say(proofs: Sequence[Proof], *, as_json: bool) -> None:
    for proof in proofs:
        line = told(proof)
        if as_json:
            print(json.dumps(line), flush=True)
            continue
        verdict = (
            "nothing left" if proof.empty else "dry run" if proof.dry_run else "erased; the next round looks again"
        )
        print(f"round {proof.round}  {proof.project} {proof.key_id}  {proof.resources} resources  {verdict}")
        for place in proof.before:
            if proof.before[place] or proof.after.get(place):
                print(f"  {place:<28}{proof.before[place]:>8} → {proof.after.get(place, 0)}")
        if not proof.dry_run:
            print(f"  old bytes at most until {line['old_bytes_until']}", flush=True)
