"""Sensitive Data Protection (DLP) reads what the local matcher has masked: the texts of many events in one request.

    scrub(masked text) ─┐
    scrub(masked text) ─┼─► [this] ─► deidentify_content(a table, a cell for each different text) ─► scrubbed text
    scrub(masked text) ─┘

Google's limits are kept by construction, and stated beside each constant: bytes, cells and findings of a request, requests
a minute. A text longer than a request goes in pieces. What goes is masked text and nothing else: no id, no patient, no
dictionary. Nothing is kept: a cache of texts, even hashed, would let equal notes be told.

DLP down, slow or over quota is one thing to the caller: Problem DLP_DOWN, at once while it is known to be down, so that
rows flow on without their text.

Left out: DATE, AGE and bare places of a kind that would take years, ages and countries, which may be told; the local
matcher knows these forms. LOCATION and ORGANIZATION_NAME are asked for where Google offers them: in location `global`.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from math import ceil
from typing import TYPE_CHECKING, Any, final

from shared.batching import Batcher
from shared.deid.text.port import Label
from shared.errors import Code, Problem
from shared.sinks.channels import connected
from shared.telemetry.metrics import BATCH_ITEMS, BATCHES, DLP_BYTES
from shared.telemetry.spans import client_span

if TYPE_CHECKING:
    from google.cloud.dlp_v2 import DeidentifyContentRequest, DlpServiceAsyncClient

# https://cloud.google.com/sensitive-data-protection/limits
MOST_BYTES = 500_000  # of a request, "0.5 MB", its configuration included
MOST_CELLS = 50_000
MOST_FINDINGS = 3_000

_CONFIGURED = 8_000  # bytes kept free for the configuration and the frame; checked when the request is made
_AROUND = 24  # bytes that protobuf adds to a cell, at most
_WHOLE = 1_000_000  # the weight of a full request: of bytes, cells or possible findings, whichever fills it first
_MINUTE = 60.0
PATIENCE = 5.0  # seconds that a batch may wait for the quota before its texts are withheld
_OPEN = 5.0  # seconds for which a failure answers for DLP, before it is asked again
_IN_FLIGHT = 1  # more would be smaller requests, and the quota counts requests
_LOOK_BACK = 2_000  # characters in which a good end is sought
_COLUMN = "text"

_INFO_TYPES: dict[Label, tuple[str, ...]] = {
    Label.NAME: ("PERSON_NAME",),
    Label.LOCATION: ("STREET_ADDRESS", "LOCATION_COORDINATES"),
    Label.DATE: ("DATE_OF_BIRTH",),
    Label.PHONE: ("PHONE_NUMBER",),
    Label.EMAIL: ("EMAIL_ADDRESS",),
    Label.URL: ("URL", "IP_ADDRESS", "MAC_ADDRESS"),
    Label.ID: (
        "US_SOCIAL_SECURITY_NUMBER", "MEDICAL_RECORD_NUMBER", "US_DRIVERS_LICENSE_NUMBER", "US_PASSPORT", "US_HEALTHCARE_NPI",
        "US_DEA_NUMBER", "UK_NATIONAL_HEALTH_SERVICE_NUMBER", "VEHICLE_IDENTIFICATION_NUMBER", "IMEI_HARDWARE_ID",
        "CREDIT_CARD_NUMBER", "IBAN_CODE",
    ),
}  # fmt: skip
_GLOBAL_ONLY: dict[Label, tuple[str, ...]] = {Label.LOCATION: ("LOCATION", "ORGANIZATION_NAME")}

_CANDIDATE = re.compile(r"[^\W_a-zà-ÿ]\w*|@")  # what a finding begins with: a capital, a digit, or a sign of an address
_PLACEHOLDER = re.compile(r"\[+(" + "|".join(Label) + r")\]+")
_ENDS = tuple(map(re.compile, (r"\n", r"(?<=[.;!?]) ", r" (?=[a-z(])", r"\s")))  # the best first: a name stays whole


@final
class Dlp:
    """`location`: the region that processes. `endpoint`: host:port of a local DLP; empty in the cloud. Seconds elsewhere."""

    def __init__(
        self,
        project: str,
        location: str,
        *,
        endpoint: str = "",
        requests_per_minute: int = 600,
        deadline: float = 8.0,
        max_wait: float = 0.02,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parent = f"projects/{project}/locations/{location}"
        self._endpoint, self._deadline, self._clock = endpoint, deadline, clock
        self._kinds = {
            label: (*names, *(_GLOBAL_ONLY.get(label, ()) if location == "global" else ()))
            for label, names in _INFO_TYPES.items()
        }
        self._pace = _Pace(requests_per_minute, clock)
        self._down_until = 0.0
        self._client: DlpServiceAsyncClient | None = None
        self._batcher: Batcher[str, str] = Batcher(
            self._send,
            max_items=MOST_CELLS,
            max_bytes=_WHOLE,
            max_wait=max_wait,
            linger=max_wait,
            in_flight=_IN_FLIGHT,
            size=_weight,
        )

    async def scrub(self, texts: Sequence[str]) -> Sequence[str]:
        """See port.Scrubber."""
        if self._clock() < self._down_until:
            raise Problem(Code.DLP_DOWN, "breaker")
        pieces = [list(_pieces(text)) for text in texts]
        asked = asyncio.gather(*(self._batcher.submit(piece) for of_text in pieces for piece in of_text))
        try:
            with client_span("dlp deidentify"):
                answers = iter(await asked)
        except BaseException:
            asked.cancel()
            raise
        return ["".join(next(answers) for _ in of_text) for of_text in pieces]

    async def warm(self) -> None:
        """Import and make the client now, so that the first text does not wait for it."""
        from google.auth.exceptions import GoogleAuthError

        with suppress(GoogleAuthError):  # no reason not to start: texts are withheld until there is an identity
            self._connected()

    async def close(self) -> None:
        """Send what waits, then hang up."""
        await self._batcher.drain()
        if self._client is not None:
            await self._client.transport.close()
            self._client = None

    async def _send(self, cells: Sequence[str]) -> Sequence[str]:
        """One batch: each different text once."""
        different = list(dict.fromkeys(cells))
        try:
            answers = dict(zip(different, await self._scrubbed(different), strict=True))
        except Problem:
            self._down_until = self._clock() + _OPEN
            raise
        return [answers[cell] for cell in cells]

    async def _scrubbed(self, cells: Sequence[str]) -> Sequence[str]:
        """The answer for these cells: in one request, or in two where Google may have stopped looking."""
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError

        request = self._request(cells)
        if type(request).pb(request).ByteSize() > MOST_BYTES and len(cells) > 1:
            return await self._halves(cells)
        if not await self._pace.turn(PATIENCE):
            raise Problem(Code.DLP_DOWN, "quota")
        BATCHES.add(1, "dlp")
        BATCH_ITEMS.add(len(cells), "dlp")
        DLP_BYTES.add(sum(len(cell.encode("utf-8", "replace")) for cell in cells))
        try:
            answer = await self._connected().deidentify_content(request=request, timeout=self._deadline, retry=None)
        except (GoogleAPIError, GoogleAuthError, TimeoutError) as error:
            raise Problem(Code.DLP_DOWN, type(error).__name__) from None
        plain = type(answer).pb(answer)  # proto-plus makes an object for each cell that is looked at
        if _findings(plain) >= MOST_FINDINGS and len(cells) > 1:
            return await self._halves(cells)
        rows = plain.item.table.rows
        if len(rows) != len(cells) or any(len(row.values) != 1 for row in rows):
            raise Problem(Code.DLP_DOWN, "answer")
        return [_PLACEHOLDER.sub(r"[\1]", row.values[0].string_value) for row in rows]

    async def _halves(self, cells: Sequence[str]) -> Sequence[str]:
        middle = len(cells) // 2
        return [*await self._scrubbed(cells[:middle]), *await self._scrubbed(cells[middle:])]

    def _request(self, cells: Sequence[str]) -> "DeidentifyContentRequest":
        from google.cloud.dlp_v2 import DeidentifyContentRequest, Likelihood

        transformations: list[dict[str, Any]] = [
            {
                "info_types": [{"name": name} for name in names],
                "primitive_transformation": {"replace_config": {"new_value": {"string_value": f"[{label}]"}}},
            }
            for label, names in self._kinds.items()
        ]
        return DeidentifyContentRequest(
            parent=self._parent,
            inspect_config={
                "info_types": [{"name": name} for names in self._kinds.values() for name in names],
                "min_likelihood": Likelihood.POSSIBLE,
            },
            deidentify_config={"info_type_transformations": {"transformations": transformations}},
            item={
                "table": {
                    "headers": [{"name": _COLUMN}],
                    "rows": [{"values": [{"string_value": cell}]} for cell in cells],
                }
            },
        )

    def _connected(self) -> "DlpServiceAsyncClient":
        """The client, made on first use, in the running loop: gRPC does not survive gunicorn's fork."""
        if self._client is None:
            from google.cloud.dlp_v2 import DlpServiceAsyncClient
            from google.cloud.dlp_v2.services.dlp_service.transports import DlpServiceGrpcAsyncIOTransport

            self._client = DlpServiceAsyncClient(transport=connected(DlpServiceGrpcAsyncIOTransport, self._endpoint))
        return self._client


@final
class _Pace:
    """At most so many turns in any minute."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._most, self._clock = per_minute, clock
        self._taken: deque[float] = deque()

    async def turn(self, patience: float) -> bool:
        """Wait for a turn; False when that would take longer than `patience`."""
        while True:
            now = self._clock()
            while self._taken and self._taken[0] <= now - _MINUTE:
                self._taken.popleft()
            if len(self._taken) < self._most:
                self._taken.append(now)
                return True
            wait = self._taken[0] + _MINUTE - now
            if wait > patience:
                return False
            patience -= wait
            await asyncio.sleep(wait)


def _findings(answer: Any) -> int:
    """How much was found, as the answer's overview counts it."""
    summaries = answer.overview.transformation_summaries
    return sum(result.count for summary in summaries for result in summary.results)


def _candidates(text: str) -> int:
    """The most findings that a text can have, more or less: a finding begins with a capital, a digit or an @."""
    return sum(1 for _ in _CANDIDATE.finditer(text))


def _weight(text: str) -> int:
    """A cell's share of a request, in millionths."""
    size = (len(text.encode()) + _AROUND) / (MOST_BYTES - _CONFIGURED)
    return ceil(_WHOLE * max(size, _candidates(text) / (MOST_FINDINGS - 1), 1 / MOST_CELLS))


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces that each fit a request, cut at the end of a line or sentence, else at a blank."""
    while _weight(text) > _WHOLE:
        cut = _cut(text)
        yield text[:cut]
        text = text[cut:]
    yield text


def _cut(text: str) -> int:
    """Where the first piece ends: as late as a request allows."""
    low, high = 1, len(text)
    while low < high:  # the longest beginning that fits
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _weight(text[:middle]) <= _WHOLE else (low, middle - 1)
    for ends in _ENDS:
        found = [match.end() for match in ends.finditer(text, max(0, low - _LOOK_BACK), low)]
        if found:
            return found[-1]
    return low
