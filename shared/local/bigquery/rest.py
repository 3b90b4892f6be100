"""BigQuery's REST v2, as far as google-cloud-bigquery needs it for datasets, tables, views and queries.

A query is done when its job is inserted; its rows are kept for a while and read in pages. A table is changed as BigQuery
lets it be: columns are added or relaxed, in records too, and nothing else; a view gets another query.
"""

import asyncio
import uuid
from collections import OrderedDict
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.local.bigquery import sql
from shared.local.bigquery.access import Access
from shared.local.bigquery.answers import described, error, job, page, reason
from shared.local.bigquery.sql import BadSql
from shared.local.bigquery.store import Result, Store
from shared.local.bigquery.tables import Table

_KEPT = 100  # results of jobs
_PAGE = 10_000  # rows
_PREFIX = "/bigquery/v2/projects/{project}"


class Rest:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._results: OrderedDict[str, Result] = OrderedDict()
        self._access = Access(store)

    def app(self) -> Starlette:
        datasets, tables = f"{_PREFIX}/datasets", f"{_PREFIX}/datasets/{{dataset}}/tables"
        return Starlette(
            routes=[
                Route(datasets, self._create_dataset, methods=["POST"]),
                Route(datasets, self._datasets, methods=["GET"]),
                Route(f"{datasets}/{{dataset}}", self._dataset, methods=["GET"]),
                Route(tables, self._create_table, methods=["POST"]),
                Route(tables, self._tables, methods=["GET"]),
                Route(f"{tables}/{{table}}", self._table, methods=["GET"]),
                Route(f"{tables}/{{table}}", self._change_table, methods=["PATCH", "PUT"]),
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
            return error(409, "duplicate", "the dataset is there already")
        return JSONResponse(self._access.created(body))

    async def _datasets(self, request: Request) -> Response:
        project = request.path_params["project"]
        found = [{"datasetReference": {"projectId": project, "datasetId": one}} for one in self._store.datasets()]
        return JSONResponse({"datasets": found})

    async def _dataset(self, request: Request) -> Response:
        project, dataset = request.path_params["project"], request.path_params["dataset"]
        if not self._store.has_dataset(dataset):
            return error(404, "notFound", "no such dataset")
        return JSONResponse(self._access.dataset(project, dataset))

    async def _create_table(self, request: Request) -> Response:
        body = await request.json()
        if not self._store.has_dataset(request.path_params["dataset"]):
            return error(404, "notFound", "no such dataset")
        try:
            created = self._store.create_table(body)
        except BadSql as bad:
            return error(400, "invalidQuery", str(bad))
        return JSONResponse(body) if created else error(409, "duplicate", "the table is there already")

    async def _tables(self, request: Request) -> Response:
        if not self._store.has_dataset(request.path_params["dataset"]):
            return error(404, "notFound", "no such dataset")
        found = [t for t in self._store.tables.values() if t.dataset == request.path_params["dataset"]]
        return JSONResponse({"tables": [described(t, "tableReference") for t in found], "totalItems": len(found)})

    async def _table(self, request: Request) -> Response:
        found = self._found(request)
        return error(404, "notFound", "no such table") if found is None else JSONResponse(described(found))

    async def _change_table(self, request: Request) -> Response:
        """PATCH replaces the members that it names, PUT all."""
        found, body = self._found(request), await request.json()
        if found is None:
            return error(404, "notFound", "no such table")
        reference = {"tableReference": found.resource["tableReference"]}
        resource = (found.resource if request.method == "PATCH" else {}) | body | reference
        try:
            await asyncio.to_thread(self._store.update_table, resource)
        except BadSql as bad:
            return error(400, "invalid", str(bad))
        return await self._table(request)

    async def _insert_job(self, request: Request) -> Response:
        body = await request.json()
        query = body.get("configuration", {}).get("query")
        if query is None:
            return error(400, "notImplemented", "only query jobs are taken")
        id = body.get("jobReference", {}).get("jobId") or str(uuid.uuid4())
        try:
            await self._run(id, query)
        except BadSql as bad:
            return JSONResponse(job(request, id, query, reason("invalidQuery", str(bad))))
        return JSONResponse(job(request, id, query, None, self._results[id]))

    async def _job(self, request: Request) -> Response:
        id = request.path_params["job"]
        if id not in self._results:
            return error(404, "notFound", "no such job")
        return JSONResponse(job(request, id, {}, None, self._results[id]))

    async def _query(self, request: Request) -> Response:
        body = await request.json()
        id = str(uuid.uuid4())
        try:
            await self._run(id, body)
        except BadSql as bad:
            return error(400, "invalidQuery", str(bad))
        return JSONResponse(page(request, id, self._results[id], 0, int(body.get("maxResults", _PAGE))))

    async def _results_page(self, request: Request) -> Response:
        id, asked = request.path_params["job"], request.query_params
        if id not in self._results:
            return error(404, "notFound", "no such job")
        start = int(asked.get("pageToken") or asked.get("startIndex") or 0)
        return JSONResponse(page(request, id, self._results[id], start, int(asked.get("maxResults") or _PAGE)))

    async def _run(self, id: str, query: dict[str, Any]) -> None:
        parameters = {given["name"]: sql.parameter(given) for given in query.get("queryParameters", ())}
        self._results[id] = await asyncio.to_thread(self._store.query, query["query"], parameters or None)
        while len(self._results) > _KEPT:
            self._results.popitem(last=False)

    def _found(self, request: Request) -> Table | None:
        return self._store.tables.get((request.path_params["dataset"], request.path_params["table"]))
