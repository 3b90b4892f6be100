"""One AppendRows stream under many rows: when it opens and closes, whose error is whose, and what a silence means."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from traceback import format_exception
from typing import Any

import pytest
from google.api_core.exceptions import GoogleAPIError, InvalidArgument, PermissionDenied, ResourceExhausted
from google.cloud.bigquery_storage_v1.types import AppendRowsResponse, RowError, TableSchema
from grpc import StatusCode

from shared.errors import Code, Problem
from shared.local.bigquery.faults import Refusal
from shared.sinks.bigquery import append, schema, wire
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
        self.error: GoogleAPIError | None = None  # of the whole call, before its first answer
        self.answers: deque[AppendRowsResponse] = deque()  # to the next requests, whatever is in them
        self.hold = asyncio.Event()  # no answer before it is set
        self.hold.set()

    async def open(self, requests: AsyncIterator[Any]) -> AsyncIterator[AppendRowsResponse]:
        if self.error:
            raise self.error
        seen: list[Any] = []
        self.calls.append(seen)
        return self._call(requests, seen)

    async def _call(self, requests: AsyncIterator[Any], seen: list[Any]) -> AsyncIterator[AppendRowsResponse]:
        async for request in requests:
            seen.append(request)
            if self.silent:
                await asyncio.sleep(3600)
            await self.hold.wait()
            rows = request.proto_rows.rows.serialized_rows
            bad = [index for index, row in enumerate(rows) if row.startswith(b"bad")]
            errors = [RowError(index=index, message="a text that may quote the row") for index in bad]
            refused = AppendRowsResponse(error={"code": 3, "message": "rows have errors"}, row_errors=errors)
            yield self.answers.popleft() if self.answers else refused if errors else TAKEN
        self.ended.set()

    def rows(self) -> list[list[bytes]]:
        """The rows of each request, in order."""
        return [list(request.proto_rows.rows.serialized_rows) for call in self.calls for request in call]


def appender(service: Service, *, idle: float = 60, timeout: float = 5) -> Appender:
    return Appender(schema.CHANGES, STREAM, lambda: DESCRIPTOR, service.open, idle=idle, timeout=timeout)


def error(status: str, storage_error: str = "") -> AppendRowsResponse:
    """An answer that is an error of the whole request."""
    return AppendRowsResponse(error=Refusal(StatusCode[status], "CANARY in the text", storage_error).as_status())


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
    service.answers.append(error("INVALID_ARGUMENT"))
    to = appender(service)
    assert await ends(to, [b"a", b"b"]) == [Code.WAREHOUSE_DOWN] * 2
    await to.close()


async def test_a_refused_call_is_an_outage_that_names_the_status_and_quotes_nothing() -> None:
    service = Service()
    service.error = PermissionDenied("CANARY in the text")
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


async def test_a_used_up_quota_is_left_alone_for_a_while_and_the_callers_hear_for_how_long() -> None:
    service = Service()
    service.error = ResourceExhausted("CANARY in the text")
    to = appender(service)
    for _ in range(3):
        with pytest.raises(Problem) as down:
            await to.append(b"a")
        assert str(down.value) == "warehouse-down at change_rows RESOURCE_EXHAUSTED"
        assert down.value.retry_after is not None
        assert 0 < down.value.retry_after <= 1.25
    assert service.calls == []
    service.error = None
    assert await ends(to, [b"a"]) == [Code.WAREHOUSE_DOWN]
    assert service.calls == []  # nothing has gone out, although it would be taken by now
    await to.close()


async def test_a_quota_that_stays_used_up_is_left_alone_for_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    to = appender(service)
    now, waits = [1000.0], list[float]()
    monkeypatch.setattr(append, "_now", lambda: now[0])
    for _ in range(9):
        service.answers.append(error("RESOURCE_EXHAUSTED"))
        [end] = await to._send([b"a"])
        assert isinstance(end, Problem)
        assert end.retry_after is not None
        waits.append(end.retry_after)
        now[0] += waits[-1] + 0.01
    nominal = [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert all(0.75 * least <= wait <= 1.25 * least for least, wait in zip(nominal, waits, strict=True))
    await to.close()


@pytest.mark.parametrize("gone", ["STREAM_NOT_FOUND", "STREAM_FINALIZED", "INVALID_STREAM_STATE"])
async def test_a_stream_that_is_gone_is_replaced_and_the_rows_go_again(gone: str) -> None:
    service = Service()
    service.answers.append(error("NOT_FOUND", gone))
    to = appender(service)
    assert await ends(to, [b"a", b"b"]) == [None, None]
    assert [len(call) for call in service.calls] == [1, 1]
    assert service.calls[1][0].write_stream == STREAM
    await to.close()


@pytest.mark.parametrize("status, storage_error", [("ALREADY_EXISTS", ""), ("ALREADY_EXISTS", "OFFSET_ALREADY_EXISTS")])
async def test_a_row_that_is_there_already_is_written(status: str, storage_error: str) -> None:
    service = Service()
    service.answers.append(error(status, storage_error))
    to = appender(service)
    assert await ends(to, [b"a"]) == [None]
    await to.close()


@pytest.mark.parametrize(
    "status, storage_error", [("NOT_FOUND", "TABLE_NOT_FOUND"), ("INVALID_ARGUMENT", "SCHEMA_MISMATCH_EXTRA_FIELDS")]
)
async def test_a_missing_table_or_column_is_not_asked_for_twice_and_the_next_attempt_looks_again(
    status: str, storage_error: str
) -> None:
    service = Service()
    service.answers.append(error(status, storage_error))
    to = appender(service)
    with pytest.raises(Problem) as down:
        await to.append(b"a")
    assert str(down.value) == f"warehouse-down at change_rows {storage_error}"
    assert len(service.calls) == 1
    assert await ends(to, [b"a"]) == [None]
    assert len(service.calls) == 2  # a new stream: the old one may go by what it has seen of the table
    await to.close()


async def test_a_call_that_ends_says_as_much_as_an_answer_does() -> None:
    service = Service()
    refusal = Refusal(StatusCode.INVALID_ARGUMENT, "CANARY in the text", "SCHEMA_MISMATCH_EXTRA_FIELDS")
    service.error = InvalidArgument("CANARY in the text", details=list(refusal.as_status().details))
    to = appender(service)
    with pytest.raises(Problem) as down:
        await to.append(b"a")
    assert str(down.value) == "warehouse-down at change_rows SCHEMA_MISMATCH_EXTRA_FIELDS"
    await to.close()


async def test_a_stream_that_tells_of_new_columns_goes_on() -> None:
    service = Service()
    service.answers.append(AppendRowsResponse(updated_schema=TableSchema()))
    to = appender(service)
    assert await ends(to, [b"a"]) == [None]
    assert await ends(to, [b"b"]) == [None]
    assert len(service.calls) == 1
    await to.close()


async def test_several_requests_are_under_way_at_once_and_each_row_gets_the_answer_of_its_own() -> None:
    service = Service()
    service.hold.clear()
    to = appender(service)
    rows = [b"a%d" % n for n in range(1000)] + [b"bad"] + [b"c%d" % n for n in range(1500)]
    under_way = asyncio.create_task(ends(to, rows))
    await asyncio.sleep(0.05)
    service.hold.set()
    found = await under_way
    assert [row for row, end in zip(rows, found, strict=True) if end] == [b"bad"]
    assert len(service.calls) == 1
    assert service.rows()[0] == rows[:1000]  # in their order
    await to.close()


async def test_what_does_not_fit_into_memory_is_sent_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append, "MAX_PENDING", 1000)
    service = Service()
    service.hold.clear()
    to = appender(service)
    under_way = asyncio.create_task(ends(to, [b"x" * 400] * 3))
    await asyncio.sleep(0.01)
    service.hold.set()
    assert sorted(map(str, await under_way)) == sorted(map(str, [None, None, Code.OVERLOADED]))
    assert await ends(to, [b"x" * 400]) == [None]
    await to.close()
