"""BigQuery's REST v2, as far as google-cloud-bigquery needs it for datasets, tables, views and queries.

A query is done when its job is inserted; its rows are kept for a while and read in pages.
"""

import asyncio
import uuid
from collections import OrderedDict
from datetime import date, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.local.bigquery import sql
from shared.local.bigquery.access import Access
from shared.local.bigquery.sql import BadSql
from shared.local.bigquery.store import Result, Store, Table

_KEPT = 100  # results of jobs
_PAGE = 10_000  # rows
_PREFIX = "/bigquery/v2/projects/{project}"


class Rest:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._results: OrderedDict[str, Result] = OrderedDict()
        self._access = Access(store)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route(f"{_PREFIX}/datasets", self._create_dataset, methods=["POST"]),
                Route(f"{_PREFIX}/datasets/{{dataset}}", self._dataset, methods=["GET"]),
                Route(f"{_PREFIX}/datasets/{{dataset}}/tables", self._create_table, methods=["POST"]),
                Route(f"{_PREFIX}/datasets/{{dataset}}/tables", self._tables, methods=["GET"]),
                Route(f"{_PREFIX}/datasets/{{dataset}}/tables/{{table}}", self._table, methods=["GET"]),
                Route(f"{_PREFIX}/jobs", self._insert_job, methods=["POST"]),
                Route(f"{_PREFIX}/jobs/{{job}}", self._job, methods=["GET"]),
                Route(f"{_PREFIX}/queries", self._query, methods=["POST"]),
                Route(f"{_PREFIX}/queries/{{job}}", self._results_page, methods=["GET"]),
                *self._access.routes(_PREFIX),
            ]
        )

    async def _create_dataset(self, request: Request) -> Response:
        body = await request.json()
        if not self._store.create_dataset(body["datasetReference"]["datasetId"]):
            return _error(409, "duplicate", "the dataset is there already")
        return JSONResponse(self._access.created(body))

    async def _dataset(self, request: Request) -> Response:
        project, dataset = request.path_params["project"], request.path_params["dataset"]
        if not self._store.has_dataset(dataset):
            return _error(404, "notFound", "no such dataset")
        return JSONResponse(self._access.dataset(project, dataset))

    async def _create_table(self, request: Request) -> Response:
        body = await request.json()
        if not self._store.has_dataset(request.path_params["dataset"]):
            return _error(404, "notFound", "no such dataset")
        try:
            created = self._store.create_table(body)
        except BadSql as error:
            return _error(400, "invalidQuery", str(error))
        return JSONResponse(body) if created else _error(409, "duplicate", "the table is there already")

    async def _tables(self, request: Request) -> Response:
        found = [t for t in self._store.tables.values() if t.dataset == request.path_params["dataset"]]
        return JSONResponse({"tables": [_described(t, "tableReference") for t in found], "totalItems": len(found)})

    async def _table(self, request: Request) -> Response:
        found = self._store.tables.get((request.path_params["dataset"], request.path_params["table"]))
        if found is None:
            return _error(404, "notFound", "no such table")
        return JSONResponse(_described(found, *found.resource))

    async def _insert_job(self, request: Request) -> Response:
        body = await request.json()
        query = body.get("configuration", {}).get("query")
        if query is None:
            return _error(400, "notImplemented", "only query jobs are taken")
        job = body.get("jobReference", {}).get("jobId") or str(uuid.uuid4())
        try:
            await self._run(job, query)
        except BadSql as error:
            return JSONResponse(_job(request, job, query, _reason("invalidQuery", str(error))))
        return JSONResponse(_job(request, job, query, None, self._results[job]))

    async def _job(self, request: Request) -> Response:
        job = request.path_params["job"]
        if job not in self._results:
            return _error(404, "notFound", "no such job")
        return JSONResponse(_job(request, job, {}, None, self._results[job]))

    async def _query(self, request: Request) -> Response:
        body = await request.json()
        job = str(uuid.uuid4())
        try:
            await self._run(job, body)
        except BadSql as error:
            return _error(400, "invalidQuery", str(error))
        return JSONResponse(_page(request, job, self._results[job], 0, int(body.get("maxResults", _PAGE))))

    async def _results_page(self, request: Request) -> Response:
        job, asked = request.path_params["job"], request.query_params
        if job not in self._results:
            return _error(404, "notFound", "no such job")
        start = int(asked.get("pageToken") or asked.get("startIndex") or 0)
        return JSONResponse(_page(request, job, self._results[job], start, int(asked.get("maxResults") or _PAGE)))

    async def _run(self, job: str, query: dict[str, Any]) -> None:
        parameters = {given["name"]: sql.parameter(given) for given in query.get("queryParameters", ())}
        self._results[job] = await asyncio.to_thread(self._store.query, query["query"], parameters or None)
        while len(self._results) > _KEPT:
            self._results.popitem(last=False)


def _described(table: Table, *members: str) -> dict[str, object]:
    kind = "TABLE" if table.columns else "VIEW"
    return {"type": kind, **{name: table.resource[name] for name in members}}


def _reference(request: Request, job: str) -> dict[str, str]:
    return {"projectId": request.path_params["project"], "jobId": job, "location": "local"}


def _job(
    request: Request, job: str, query: dict[str, Any], error: object, result: Result | None = None
) -> dict[str, object]:
    kind = "DELETE" if result is not None and result.affected is not None else "SELECT"
    affected = {} if result is None or result.affected is None else {"numDmlAffectedRows": str(result.affected)}
    return {
        "jobReference": _reference(request, job),
        "configuration": {"jobType": "QUERY", "query": query},
        "status": {"state": "DONE"} | ({} if error is None else {"errorResult": error, "errors": [error]}),
        "statistics": {"query": {"statementType": kind, **affected}},
    }


def _page(request: Request, job: str, result: Result, start: int, count: int) -> dict[str, object]:
    page: dict[str, object] = {
        "jobReference": _reference(request, job),
        "jobComplete": True,
        "schema": {"fields": result.fields},
    }
    if result.affected is not None:
        return page | {"numDmlAffectedRows": str(result.affected)}
    if count:  # a client that asks for none only wants to hear that the job is done
        rows = result.rows[start : start + count]
        page["rows"] = [{"f": [{"v": _cell(cell)} for cell in row]} for row in rows]
        if start + count < len(result.rows):
            page["pageToken"] = str(start + count)
    return page | {"totalRows": str(len(result.rows))}


def _cell(value: object) -> object:
    """A value as BigQuery's REST writes it: all scalars are strings."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case date() | datetime():
            return value.isoformat()
        case list():
            return [{"v": _cell(item)} for item in value]
        case _:
            return str(value)


def _reason(reason: str, message: str) -> dict[str, str]:
    return {"reason": reason, "message": message, "location": "query"}


def _error(status: int, reason: str, message: str) -> JSONResponse:
    error = {"code": status, "message": message, "errors": [_reason(reason, message)]}
    return JSONResponse({"error": error}, status_code=status)
