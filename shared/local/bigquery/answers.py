"""What BigQuery's REST says: a job, a page of its rows, a table, an error.

All scalars are strings; a record is {"f": [{"v": …}]} and a repeated value a list of {"v": …}, to any depth.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from shared.local.bigquery.store import Result
from shared.local.bigquery.tables import Table


def job(
    request: Request, id: str, query: dict[str, Any], error: object, result: Result | None = None
) -> dict[str, object]:
    """A job that is done."""
    kind = "DELETE" if result is not None and result.affected is not None else "SELECT"
    affected = {} if result is None or result.affected is None else {"numDmlAffectedRows": str(result.affected)}
    return {
        "jobReference": _reference(request, id),
        "configuration": {"jobType": "QUERY", "query": query},
        "status": {"state": "DONE"} | ({} if error is None else {"errorResult": error, "errors": [error]}),
        "statistics": {"query": {"statementType": kind, **affected}},
    }


def page(request: Request, id: str, result: Result, start: int, count: int) -> dict[str, object]:
    """Some rows of a job."""
    made: dict[str, object] = {
        "jobReference": _reference(request, id),
        "jobComplete": True,
        "schema": {"fields": result.fields},
    }
    if result.affected is not None:
        return made | {"numDmlAffectedRows": str(result.affected)}
    if count:  # a client that asks for none only wants to hear that the job is done
        rows = result.rows[start : start + count]
        made["rows"] = [
            {"f": [{"v": _cell(cell, field)} for cell, field in zip(row, result.fields, strict=True)]} for row in rows
        ]
        if start + count < len(result.rows):
            made["pageToken"] = str(start + count)
    return made | {"totalRows": str(len(result.rows))}


def described(table: Table, *members: str) -> dict[str, object]:
    """A table or view as its resource says, or some members of it."""
    kind = "VIEW" if "view" in table.resource else "TABLE"
    return {"type": kind, **{name: table.resource[name] for name in members or table.resource}}


def reason(of: str, message: str) -> dict[str, str]:
    return {"reason": of, "message": message, "location": "query"}


def error(status: int, of: str, message: str) -> JSONResponse:
    body = {"code": status, "message": message, "errors": [reason(of, message)]}
    return JSONResponse({"error": body}, status_code=status)


def _reference(request: Request, id: str) -> dict[str, str]:
    return {"projectId": request.path_params["project"], "jobId": id, "location": "local"}


def _cell(value: object, field: Mapping[str, Any]) -> object:
    if field["mode"] == "REPEATED":
        items = value if isinstance(value, list) else []  # a repeated value is never null
        return [{"v": _cell(item, {**field, "mode": "NULLABLE"})} for item in items]
    match value:
        case None:
            return None
        case dict():
            return {"f": [{"v": _cell(value[inner["name"]], inner)} for inner in field["fields"]]}
        case bool():
            return "true" if value else "false"
        case str() if field["type"] == "TIMESTAMP":  # within a record
            return str(round(datetime.fromisoformat(value).timestamp() * 1_000_000))
        case date() | datetime():
            return value.isoformat()
        case _:
            return str(value)
