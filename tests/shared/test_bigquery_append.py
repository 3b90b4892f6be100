"""One AppendRows stream under many rows: when it opens and closes, whose error is whose, and what a silence means."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from traceback import format_exception
from typing import Any

import pytest
from google.api_core.exceptions import PermissionDenied
from google.cloud.bigquery_storage_v1.types import AppendRowsResponse, RowError

from shared.errors import Code, Problem
from shared.sinks.bigquery import schema, wire
from shared.sinks.bigquery.append import MAX_REQUEST, Appender

STREAM = "projects/p/datasets/d/tables/change_rows/streams/_default"
DESCRIPTOR = wire.descriptor("change_rows", schema.sent(schema.CHANGES))
TAKEN = AppendRowsResponse(append_result=AppendRowsResponse.AppendResult())


class Service:
    """The other side of AppendRows: rows that begin with `bad` are refused, and a call can be made to go wrong."""

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []  # the requests of each call
        self.ended = asyncio.Event()
        self.silent = False
        self.denied = False
        self.answer: AppendRowsResponse | None = None

    async def open(self, requests: AsyncIterator[Any]) -> AsyncIterator[AppendRowsResponse]:
        if self.denied:
            raise PermissionDenied("CANARY in the text")
        seen: list[Any] = []
        self.calls.append(seen)
        return self._call(requests, seen)

    async def _call(self, requests: AsyncIterator[Any], seen: list[Any]) -> AsyncIterator[AppendRowsResponse]:
        async for request in requests:
            seen.append(request)
            if self.silent:
                await asyncio.sleep(3600)
            rows = request.proto_rows.rows.serialized_rows
            bad = [index for index, row in enumerate(rows) if row.startswith(b"bad")]
            errors = [RowError(index=index, message="a text that may quote the row") for index in bad]
            refused = AppendRowsResponse(error={"code": 3, "message": "rows have errors"}, row_errors=errors)
            yield self.answer or (refused if errors else TAKEN)
        self.ended.set()

    def rows(self) -> list[list[bytes]]:
        """The rows of each request, in order."""
        return [list(request.proto_rows.rows.serialized_rows) for call in self.calls for request in call]


def appender(service: Service, *, idle: float = 60, timeout: float = 5) -> Appender:
    return Appender(schema.CHANGES, STREAM, lambda: DESCRIPTOR, service.open, idle=idle, timeout=timeout)


async def ends(to: Appender, rows: Sequence[bytes]) -> list[Code | None]:
    done = await asyncio.gather(*(to.append(row) for row in rows), return_exceptions=True)
    assert all(end is None or isinstance(end, Problem) for end in done)
    return [end.code if isinstance(end, Problem) else None for end in done]


async def test_the_first_request_of_a_stream_says_where_to_and_of_what_form_and_later_ones_do_not() -> None:
    service = Service()
    to = appender(service)
    await to.append(b"one")
    await to.append(b"two")
    await to.close()
    [[first, second]] = service.calls
    assert first.write_stream == STREAM
    assert first.proto_rows.writer_schema.proto_descriptor == DESCRIPTOR
    assert not second.write_stream
    assert not second.proto_rows.writer_schema.proto_descriptor.field


async def test_a_refused_row_gets_its_own_error_and_its_neighbours_go_again_without_it() -> None:
    service = Service()
    to = appender(service)
    refused = await ends(to, [b"a", b"bad 1", b"b", b"c", b"bad 2"])
    assert refused == [None, Code.ROW_REFUSED, None, None, Code.ROW_REFUSED]
    assert service.rows() == [[b"a", b"bad 1", b"b", b"c", b"bad 2"], [b"a", b"b", b"c"]]
    assert await ends(to, [b"bad 3"]) == [Code.ROW_REFUSED]
    await to.close()


async def test_an_error_of_the_whole_request_blames_no_row() -> None:
    service = Service()
    service.answer = AppendRowsResponse(error={"code": 3, "message": "the schema has changed"})
    to = appender(service)
    assert await ends(to, [b"a", b"b"]) == [Code.WAREHOUSE_DOWN] * 2
    await to.close()


async def test_a_refused_call_is_an_outage_that_names_the_status_and_quotes_nothing() -> None:
    service = Service()
    service.denied = True
    to = appender(service)
    with pytest.raises(Problem) as denied:
        await to.append(b"a")
    assert str(denied.value) == "warehouse-down at change_rows PERMISSION_DENIED"
    assert "CANARY" not in "".join(format_exception(denied.value))
    await to.close()


async def test_a_stream_without_rows_is_closed_and_the_next_row_opens_another() -> None:
    service = Service()
    to = appender(service, idle=0.02)
    await to.append(b"a")
    await asyncio.wait_for(service.ended.wait(), 5)
    await to.append(b"b")
    await to.close()
    assert service.rows() == [[b"a"], [b"b"]]
    assert [call[0].write_stream for call in service.calls] == [STREAM, STREAM]


async def test_a_stream_that_falls_silent_is_left_and_asked_again_once() -> None:
    service = Service()
    service.silent = True
    to = appender(service, timeout=0.05)
    assert await ends(to, [b"a"]) == [Code.WAREHOUSE_DOWN]
    assert service.rows() == [[b"a"], [b"a"]]
    service.silent = False
    assert await ends(to, [b"b"]) == [None]
    await to.close()


async def test_a_caller_that_leaves_does_not_take_its_neighbours_along() -> None:
    service = Service()
    to = appender(service)
    leaving, staying = (asyncio.create_task(to.append(row)) for row in (b"a", b"b"))
    await asyncio.sleep(0)
    leaving.cancel()
    await staying
    assert await ends(to, [b"c"]) == [None]
    await to.close()


async def test_no_request_is_larger_than_what_bigquery_takes() -> None:
    service = Service()
    to = appender(service)
    row = b"x" * 1_000_000
    assert await ends(to, [row] * 30) == [None] * 30
    await to.close()
    sizes = [sum(map(len, rows)) for rows in service.rows()]
    assert sum(sizes) == 30_000_000
    assert max(sizes) <= MAX_REQUEST


async def test_closing_waits_for_what_is_under_way() -> None:
    service = Service()
    to = appender(service)
    written = [asyncio.create_task(to.append(b"%d" % n)) for n in range(5)]
    await asyncio.sleep(0)
    await to.close()
    assert all(task.done() and task.exception() is None for task in written)
    assert service.ended.is_set()
