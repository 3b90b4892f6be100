"""A stand-in for Sensitive Data Protection: DeidentifyContent over gRPC, with Google's limits and far simpler eyes.

It decodes the real request, refuses what Google refuses (bytes, cells, transformations, findings, requests a minute), applies
the transformations that were asked for to each cell, and answers in the order of the rows. Its detectors are regular
expressions: what they find is found surely, and says nothing about what Google's would.

`fail` makes the next requests end badly, as an outage, a slow answer or a broken one would.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, final

import grpc
from google.cloud.dlp_v2 import DeidentifyContentRequest, DeidentifyContentResponse
from grpc import aio

MOST_BYTES, MOST_CELLS, MOST_TRANSFORMATIONS, MOST_FINDINGS = 500_000, 50_000, 100, 3_000

type Failure = Literal["down", "slow", "quota", "short", "garbled"]

_PARENT = re.compile(r"projects/[^/]+/locations/[^/]+")
_DETECTORS = {
    "PERSON_NAME": re.compile(r"\b[A-Z][a-zà-ÿ]+ [A-Z][a-zà-ÿ]+\b"),
    "PHONE_NUMBER": re.compile(r"\(?\b\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b"),
    "EMAIL_ADDRESS": re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.]+\b"),
    "US_SOCIAL_SECURITY_NUMBER": re.compile(r"\b\d{3}-\d{2}-\d{4}\b"),
    "IP_ADDRESS": re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"),
    "URL": re.compile(r"https?://\S+"),
    "STREET_ADDRESS": re.compile(r"\b\d+ [A-Z]\w+ (?:St|Ave|Rd|Ln|Street|Avenue|Road|Lane)\b"),
    "DATE_OF_BIRTH": re.compile(r"(?<=born )\d{1,2}/\d{1,2}/\d{4}"),
}


@final
class LocalDlp:
    """`latency`: seconds for an answer. `requests` are those that were answered or refused, as they came, for tests to read."""

    def __init__(
        self, *, requests_per_minute: int = 600, latency: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.requests: list[Any] = []
        self._quota, self._latency, self._clock = requests_per_minute, latency, clock
        self._times: deque[float] = deque()
        self._failures: deque[Failure] = deque()
        self._server: aio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; host:port."""
        self._server = aio.server(options=(("grpc.max_receive_message_length", -1),))
        handler = grpc.unary_unary_rpc_method_handler(
            self._answer,
            request_deserializer=DeidentifyContentRequest.deserialize,
            response_serializer=DeidentifyContentResponse.serialize,
        )
        service = grpc.method_handlers_generic_handler(
            "google.privacy.dlp.v2.DlpService", {"DeidentifyContent": handler}
        )
        self._server.add_generic_rpc_handlers((service,))
        port = self._server.add_insecure_port(f"{host}:{port}")
        await self._server.start()
        return f"{host}:{port}"

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            await self._server.stop(0)

    def fail(self, how: Failure, *, times: int = 1) -> None:
        """Let the next requests end so."""
        self._failures.extend([how] * times)

    async def _answer(self, request: DeidentifyContentRequest, context: "aio.ServicerContext[Any, Any]") -> Any:
        self.requests.append(request)
        failure = self._failures.popleft() if self._failures else None
        await asyncio.sleep(self._latency)
        if failure == "slow":
            await asyncio.sleep(30)
        if failure == "down":
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the service is unavailable")
        if failure == "quota" or self._over_quota():
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "quota of requests a minute exceeded")
        if reason := self._refusal(request):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, reason)
        answer, findings = _transformed(request)
        if findings > MOST_FINDINGS:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "too many findings")
        if failure == "short":
            del answer.item.table.rows[-1]
        if failure == "garbled":
            answer.item.table.rows[0].values.append({"string_value": "x"})
        return answer

    def _over_quota(self) -> bool:
        now = self._clock()
        while self._times and self._times[0] <= now - 60:
            self._times.popleft()
        self._times.append(now)
        return len(self._times) > self._quota

    def _refusal(self, request: DeidentifyContentRequest) -> str | None:
        plain = DeidentifyContentRequest.pb(request)
        table = plain.item.table
        cells = sum(len(row.values) for row in table.rows)
        if not _PARENT.fullmatch(plain.parent):
            return "malformed parent"
        if plain.ByteSize() > MOST_BYTES:
            return "request larger than 0.5 MB"
        if cells > MOST_CELLS:
            return "more than 50,000 table values"
        if len(plain.deidentify_config.info_type_transformations.transformations) > MOST_TRANSFORMATIONS:
            return "more than 100 transformations"
        if any(len(row.values) != len(table.headers) for row in table.rows):
            return "a row does not fit the headers"
        return None


def _transformed(request: Any) -> tuple[Any, int]:
    """The answer, and how much was found."""
    findings = 0
    plain = DeidentifyContentRequest.pb(request)
    rules = [
        (detector, one.primitive_transformation.replace_config.new_value.string_value)
        for one in plain.deidentify_config.info_type_transformations.transformations
        for info_type in one.info_types
        if (detector := _DETECTORS.get(info_type.name)) is not None
    ]
    answer = DeidentifyContentResponse()
    answered = DeidentifyContentResponse.pb(answer)
    answered.item.table.CopyFrom(plain.item.table)
    for row in answered.item.table.rows:
        for value in row.values:
            for detector, new in rules:
                value.string_value, times = detector.subn(new, value.string_value)
                findings += times
    result = answered.overview.transformation_summaries.add().results.add()
    result.count = findings
    return answer, findings
