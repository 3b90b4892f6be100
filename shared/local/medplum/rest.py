"""FHIR's interactions as Medplum answers them; single, or as the entries of a batch.

A batch answers 200 whatever becomes of its entries, and each entry has its own status, 429 too. "transaction" runs as a
batch, which is what Medplum does unless a project asks for more. Everything here runs without an await, so a
conditional create can not race with another.

Left out: PATCH, conditional update and delete, operations, $export.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import orjson

from shared.local.medplum import search
from shared.local.medplum.bundles import bundle, history_entry, shown, with_member
from shared.local.medplum.logins import Caller
from shared.local.medplum.outcomes import (
    CREATED,
    MULTIPLE_MATCHES,
    NOT_FOUND,
    OK,
    PRECONDITION_FAILED,
    Json,
    Outcome,
    Refused,
    invalid,
    structure,
)
from shared.local.medplum.policies import Policies
from shared.local.medplum.quota import HISTORY, READ, SEARCH, WRITE
from shared.local.medplum.store import Store, Version

_MOST_HISTORY = 100


@dataclass(frozen=True, slots=True)
class Call:
    """One interaction: `path` is what follows the base, `headers` have lower-case names."""

    method: str
    path: tuple[str, ...]
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    resource: object = None
    trace: str = ""

    @property
    def extended(self) -> bool:
        return self.headers.get("x-medplum") == "extended"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it. A body that is None stands for the outcome."""

    outcome: Outcome
    body: bytes | None = None
    version: Version | None = None
    location: str | None = None

    @property
    def status(self) -> int:
        return self.outcome.status


class Rest:
    """The interactions on a store. `base` is the FHIR base URL."""

    def __init__(self, store: Store, base: str, policies: Policies) -> None:
        self._store, self._base, self._policies = store, base, policies

    def answer(self, caller: Caller, call: Call) -> Answer:
        """Do it. Raises Refused."""
        if call.path in ((), ("",)) and call.method == "POST":
            return self._batch(caller, call)
        type = call.path[0] if call.path else ""
        if not (type.isascii() and type.isalpha() and type[0].isupper()):
            raise Refused(structure("Unknown resource type"))
        self._policies.check(caller.author.reference, type, *_interactions(call))
        match call.method, call.path[1:]:
            case "GET", (id,):
                return self._read(caller, call, type, id)
            case "GET", (id, "_history", version):
                return self._vread(caller, call, type, id, version)
            case "GET", (id, "_history"):
                return self._history(caller, call, type, id)
            case "GET", ():
                return self._search(caller, call, type)
            case "POST", ("_search",):
                return self._search(caller, call, type)
            case "POST", ():
                return self._create(caller, call, type)
            case "PUT", (id,):
                return self._update(caller, call, type, id)
            case "DELETE", (id,):
                caller.quota.take(WRITE)
                self._store.delete(caller.project, type, id, call.trace)
                return Answer(OK)
        raise Refused(NOT_FOUND)

    def _read(self, caller: Caller, call: Call, type: str, id: str) -> Answer:
        caller.quota.take(READ)
        version = self._store.read(caller.project, type, id).current
        if call.headers.get("if-none-match") == f'W/"{version.id}"':
            return Answer(Outcome(304, None, "", ""), b"", version)
        fields = next((value for name, value in call.query if name in ("_elements", "_fields")), "")
        body = shown(version, call.extended)
        if fields:
            body = orjson.dumps(search.subset(orjson.loads(body), tuple(fields.split(","))))
        return Answer(OK, body, version)

    def _vread(self, caller: Caller, call: Call, type: str, id: str, version_id: str) -> Answer:
        caller.quota.take(READ)
        version = self._store.get(caller.project, type, id).version(version_id)
        if version is None:
            raise Refused(NOT_FOUND)
        return Answer(OK, shown(version, call.extended), version)

    def _history(self, caller: Caller, call: Call, type: str, id: str) -> Answer:
        caller.quota.take(HISTORY)
        record = self._store.get(caller.project, type, id)
        asked = dict(call.query)
        offset, count = _whole(asked.get("_offset", "0")), _whole(asked.get("_count", str(_MOST_HISTORY)))
        versions = record.versions[::-1][offset : offset + count]
        entries = [history_entry(self._base, record, version, call.extended) for version in versions]
        total = str(len(record.versions)).encode()
        return Answer(OK, bundle("history", entries, b',"total":' + total))

    def _search(self, caller: Caller, call: Call, type: str) -> Answer:
        caller.quota.take(SEARCH)
        query = search.parsed(type, call.query)
        page = search.page(self._store, caller.project, query, self._base)
        entries = []
        for record in page.records:
            body = shown(record.current, call.extended)
            if query.fields:
                fields = (*query.fields, *search.MANDATORY.get(type, ()))
                body = orjson.dumps(search.subset(orjson.loads(body), fields))
            entry = orjson.dumps({"fullUrl": f"{self._base}/{type}/{record.id}", "search": {"mode": "match"}})
            entries.append(with_member(entry, "resource", body))
        links = orjson.dumps([{"relation": relation, "url": url} for relation, url in page.links])
        total = b"" if page.total is None else b',"total":%d' % page.total
        return Answer(OK, bundle("searchset", entries, total + b',"link":' + links))

    def _create(self, caller: Caller, call: Call, type: str) -> Answer:
        condition = call.headers.get("if-none-exist")
        if condition:
            caller.quota.take(SEARCH)
            query = search.parsed(type, parse_qsl(condition.partition("?")[2] or condition))
            matches = list(search.found(self._store, caller.project, query))
            if len(matches) > 1:
                raise Refused(MULTIPLE_MATCHES)
            if matches:
                version = matches[0].current
                return Answer(OK, shown(version, call.extended), version)
        caller.quota.take(WRITE)
        resource = _resource(call.resource, type)
        record = self._store.create(caller.project, resource, caller.author, call.trace)
        return Answer(CREATED, shown(record.current, call.extended), record.current, f"{type}/{record.id}")

    def _update(self, caller: Caller, call: Call, type: str, id: str) -> Answer:
        caller.quota.take(WRITE)
        resource = _resource(call.resource, type)
        if resource.get("id", id) != id:
            raise Refused(invalid("Incorrect ID"))
        wanted = call.headers.get("if-match", "")
        if wanted and wanted != f'W/"{self._store.get(caller.project, type, id).current.id}"':
            raise Refused(PRECONDITION_FAILED)
        record = self._store.update(caller.project, {**resource, "id": id}, caller.author, call.trace)
        return Answer(OK, shown(record.current, call.extended), record.current)

    def _batch(self, caller: Caller, call: Call) -> Answer:
        match call.resource:
            case {"resourceType": "Bundle", "type": "batch" | "transaction" as kind, **rest}:
                listed = rest.get("entry")
                return Answer(OK, bundle(f"{kind}-response", self._entries(caller, call, listed)))
        raise Refused(invalid("Not a bundle"))

    def _entries(self, caller: Caller, call: Call, listed: object) -> Iterator[bytes]:
        """An answer for each entry. The first that meets a spent quota ends the batch: the rest get its answer too."""
        spent: Answer | None = None
        for entry in listed if isinstance(listed, list) else ():
            answer = spent or self._entry(caller, call, entry)
            if answer.status == 429:
                spent = answer
            yield self._shown(answer)

    def _entry(self, caller: Caller, call: Call, entry: object) -> Answer:
        try:
            return self.answer(caller, _entry_call(call, entry))
        except Refused as refused:
            return Answer(refused.outcome)

    def _shown(self, answer: Answer) -> bytes:
        response: Json = {"outcome": answer.outcome.resource(), "status": str(answer.status)}
        if answer.location is not None:
            response["location"] = answer.location
        outer = orjson.dumps({"response": response})
        return outer if answer.body is None else with_member(outer, "resource", answer.body)


def _interactions(call: Call) -> tuple[str, ...]:
    """What an access policy must allow. A conditional create searches, and shows what it finds."""
    match call.method, call.path[1:]:
        case "GET", (_, "_history", _):
            return ("vread",)
        case "GET", (_, "_history"):
            return ("history",)
        case "GET", (_,):
            return ("read",)
        case ("GET", ()) | ("POST", ("_search",)):
            return ("search",)
        case "POST", ():
            return ("create", "search", "read") if call.headers.get("if-none-exist") else ("create",)
        case "PUT", _:
            return ("update",)
        case "DELETE", _:
            return ("delete",)
    return ()


def _entry_call(call: Call, entry: object) -> Call:
    request = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(request, dict):
        raise Refused(invalid("Missing Bundle entry request"))
    url = urlsplit(str(request.get("url", "")))
    headers = {"x-medplum": call.headers.get("x-medplum", "")}
    headers |= {
        header: str(request[name])
        for name, header in (("ifNoneExist", "if-none-exist"), ("ifMatch", "if-match"))
        if name in request
    }
    path = tuple(url.path.strip("/").split("/"))
    if path == ("",):
        raise Refused(NOT_FOUND)  # a batch within a batch
    return Call(str(request.get("method")), path, parse_qsl(url.query), headers, entry.get("resource"), call.trace)


def _resource(resource: object, type: str) -> Json:
    if not isinstance(resource, dict):
        raise Refused(invalid("Not a resource"))
    if resource.get("resourceType") != type:
        raise Refused(invalid(f"Incorrect resource type: expected {type}"))
    return resource


def _whole(value: str) -> int:
    if not value.isdigit():
        raise Refused(invalid("Invalid number"))
    return int(value)
