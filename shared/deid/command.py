"""`./dev deid`: NDJSON resources in, de-identified resources out, with the service's own door.

    stdin: one resource a line → [this] → stdout: one line for each, in order

With `--text local` a Patient that comes before its resources is the record that their free text is matched against; a
resource whose Patient has not come is scrubbed by patterns and names alone. Kept are the last patients only, so that
memory stays flat.

Against: a parser that reads a line otherwise than the next one would (duplicate keys, NaN), which is why lines are
read strictly; and a demo key that ends in production, which is why its use is said aloud.
"""

import sys
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, final

from shared import ndjson
from shared.deid.door import Door
from shared.deid.policy import NAMES, load
from shared.deid.pseudonyms import Pseudonyms
from shared.deid.text.local import Local
from shared.deid.text.record import Record
from shared.deid.walk import Scrub
from shared.phi import Phi

_DEMO_KEY = b"starvit demo key: never for real data!"
_TEXT_MODES = ("local", "withhold")
_PATIENTS = 20_000  # records kept, at about 10 KB each


def run(stdin: BinaryIO, stdout: BinaryIO, policy_name: str, text_mode: str, key_file: Path | None) -> int:
    """De-identify every line. 0 = all good, 1 = some lines refused, 2 = wrong usage."""
    if policy_name not in NAMES or text_mode not in _TEXT_MODES:
        return _usage(f"the policy is one of {', '.join(NAMES)}; the text is one of {', '.join(_TEXT_MODES)}")
    try:
        key = _DEMO_KEY if key_file is None else bytes.fromhex(key_file.read_text().strip())
        pseudonyms = Pseudonyms(key, "demo" if key_file is None else "k1")
    except (OSError, ValueError):
        return _usage("the key file holds 32 bytes or more, in hex")
    if key_file is None:
        sys.stderr.write("deid: no --key-file: using the public demo key, so these pseudonyms hide nothing\n")
    door = Door("local", load(policy_name), pseudonyms)
    if text_mode == "withhold":
        return ndjson.convert(stdin, stdout, sys.stderr, door.deidentify, name="deid")
    records = Records(door)
    return ndjson.convert(
        stdin, stdout, sys.stderr, lambda resource: door.deidentify(resource, records.scrub(resource)), name="deid"
    )


@final
class Records:
    """The patients that have come by."""

    def __init__(self, door: Door) -> None:
        self._door, self._local = door, Local()
        self._known: OrderedDict[str, Record] = OrderedDict()
        self._nobody = self._local.record(None)

    def scrub(self, resource: Mapping[str, object]) -> Scrub:
        """How the free text of a resource is scrubbed."""
        record = self._record(resource)
        return lambda text: self._local.scrub(text, record)

    def _record(self, resource: Mapping[str, object]) -> Record:
        about = self._door.patient(Phi(resource))
        id = None if about is None else about.reveal()
        if resource.get("resourceType") != "Patient":
            return self._nobody if id is None else self._known.get(id, self._nobody)
        record = self._local.record(resource)
        if id is not None:
            self._known[id] = record
            self._known.move_to_end(id)
            if len(self._known) > _PATIENTS:
                self._known.popitem(last=False)
        return record


def _usage(text: str) -> int:
    sys.stderr.write(f"deid: {text}\n")
    return ndjson.WRONG_USAGE
