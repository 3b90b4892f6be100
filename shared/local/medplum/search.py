"""Search, as far as a sweep and an audit need it: by change, tag and id, in pages.

A `_cursor` link is given only when the sort is `_lastUpdated` ascending and nothing else, `_count` is 20 or more and no
`_offset` is used; every other search gets `_offset` links. A cursor names the instant of the next resource and the ids
of that instant which the page has shown. A page that is all of one instant, like the resource after it, can not be
passed: Medplum says 500. `_elements` leaves the mandatory elements in.

Left out: every other parameter; an unknown one is refused with 400, as Medplum does. The mandatory elements of other
types than those below.
"""

from collections.abc import Iterator, Sequence
from copy import replace
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice
from urllib.parse import quote

import orjson

from shared.local.medplum.outcomes import Outcome, Refused, invalid
from shared.local.medplum.store import Record, Store
from shared.local.medplum.subscriptions import values

MOST, LEAST_FOR_CURSOR, MOST_OFFSET = 1000, 20, 10_000
MANDATORY = {"Condition": ("subject",), "Encounter": ("status", "class"), "Observation": ("status", "code")}
_ALWAYS = ("id", "meta", "resourceType")
_STUCK = "Error: Cursor fails to make progress"
# Parameters that are an element of the same name, compared for equality: those of what a service is configured with, and
# those that the criteria of Subscriptions filter by.
EQUAL = {
    "ProjectMembership": ("profile", "user"),
    "Subscription": ("status", "criteria"),
    "Patient": ("gender", "identifier"),
    "Observation": ("code", "status", "subject", "category"),
    "Encounter": ("status", "subject"),
    "Condition": ("code", "subject"),
}
_SORTS = ("_lastUpdated", "-_lastUpdated", "_lastUpdated,_id")


@dataclass(frozen=True, slots=True)
class Query:
    """A search in the canonical form that the links show."""

    type: str
    count: int = 20
    offset: int = 0
    cursor: str = ""
    sort: str = ""
    fields: tuple[str, ...] = ()
    total: str = ""
    ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    projects: tuple[str, ...] = field(default=())
    equal: tuple[tuple[str, str], ...] = ()

    def url(self, base: str) -> str:
        """The search as a link: parameters in alphabetical order."""
        pairs = [("_count", str(self.count))]
        pairs += [("_cursor", self.cursor)] if self.cursor else []
        pairs += [("_fields", ",".join(self.fields))] if self.fields else []
        pairs += [("_id", value) for value in self.ids]
        pairs += [("_lastUpdated", value) for value in self.updated]
        pairs += [("_offset", str(self.offset))] if self.offset else []
        pairs += [("_project", value) for value in self.projects]
        pairs += [("_sort", self.sort)] if self.sort else []
        pairs += [("_tag", value) for value in self.tags]
        pairs += [("_total", self.total)] if self.total else []
        pairs += self.equal
        return f"{base}/{self.type}?" + "&".join(f"{name}={quote(value, safe='-_.!~*()')}" for name, value in pairs)

    @property
    def by_cursor(self) -> bool:
        return self.sort == "_lastUpdated" and self.count >= LEAST_FOR_CURSOR and not self.offset


@dataclass(frozen=True, slots=True)
class Page:
    """What a search found. `total` is None unless it was asked for."""

    records: Sequence[Record]
    links: Sequence[tuple[str, str]]
    total: int | None


def parsed(type: str, pairs: Sequence[tuple[str, str]]) -> Query:
    """The query of a search's parameters. Raises Refused (400)."""
    query = Query(type)
    for name, value in pairs:
        match name:
            case "_count":
                query = replace(query, count=min(_whole(value), MOST))
            case "_offset":
                query = replace(query, offset=_whole(value))
            case "_cursor":
                query = replace(query, cursor=value)
            case "_sort" if value in _SORTS:
                query = replace(query, sort=value)
            case "_elements" | "_fields":
                query = replace(query, fields=tuple(value.split(",")))
            case "_total":
                query = replace(query, total=value)
            case "_id":
                query = replace(query, ids=(*query.ids, value))
            case "_tag":
                query = replace(query, tags=(*query.tags, value))
            case "_lastUpdated":
                _range(value)
                query = replace(query, updated=(*query.updated, value))
            case "_project":
                query = replace(query, projects=(*query.projects, value))
            case _ if name in EQUAL.get(type, ()):
                query = replace(query, equal=(*query.equal, (name, value)))
            case _:
                raise Refused(invalid(f"Unknown search parameter: {name}"))
    if query.offset > MOST_OFFSET:
        raise Refused(invalid(f"Search offset exceeds maximum (got {query.offset}, max {MOST_OFFSET})"))
    if query.offset and query.cursor:
        raise Refused(invalid("Cannot use both offset and cursor"))
    return query


def found(store: Store, project: str, query: Query) -> Iterator[Record]:
    """Everything that matches, in the order of change, or the reverse; or of one instant by id."""
    ranges = [_range(value) for value in query.updated]
    least = max((low for low, _ in ranges), default=0)
    most = min((high for _, high in ranges), default=2**63)
    shown: frozenset[str] = frozenset()
    if query.cursor:
        at, shown = _cursor(query.cursor)
        least = max(least, at)
    if query.tags and "|" in query.tags[0]:
        candidates = iter(sorted(store.tagged(project, query.type, query.tags[0]), key=lambda r: r.change))
    else:
        candidates = store.since(project, query.type, least)
    ids = [frozenset(value.split(",")) for value in query.ids]
    matching = (
        record
        for record in candidates
        if least <= record.current.ms <= most
        and record.id not in shown
        and all(record.id in wanted for wanted in ids)
        and all(_tagged(record, value) for value in query.tags)
        and all(record.project == value for value in query.projects)
        and (not query.equal or _equal(record, query.equal))
    )
    match query.sort:
        case "-_lastUpdated":
            return reversed(list(matching))
        case "_lastUpdated,_id":
            instants = groupby(matching, key=lambda record: record.current.ms)
            return (record for _, shared in instants for record in sorted(shared, key=lambda record: record.id))
    return matching


def page(store: Store, project: str, query: Query, base: str) -> Page:
    """One page, with its links."""
    window = list(islice(found(store, project, query), query.offset, query.offset + query.count + 1))
    records, following = window[: query.count], window[query.count :]
    links = [("self", query.url(base))]
    if records:
        links += list(_links(query, records, following[0] if following else None, base))
    total = None
    if query.total in ("accurate", "estimate"):
        total = sum(1 for _ in found(store, project, replace(query, cursor="")))
    return Page(records, links, total)


def subset(resource: dict[str, object], fields: tuple[str, ...]) -> dict[str, object]:
    """Only the elements asked for, and the tag that says so."""
    kept = {k: v for k, v in resource.items() if k in fields or k in _ALWAYS}
    meta = kept.get("meta")
    subsetted = {"system": "http://hl7.org/fhir/v3/ObservationValue", "code": "SUBSETTED"}
    if isinstance(meta, dict):
        kept["meta"] = {**meta, "tag": [*meta.get("tag", []), subsetted]}
    return kept


def _links(query: Query, records: Sequence[Record], following: Record | None, base: str) -> Iterator[tuple[str, str]]:
    yield "first", replace(query, offset=0, cursor="").url(base)
    if query.by_cursor:
        if following is not None:
            at = following.current.ms
            if records[0].current.ms == at:
                raise Refused(Outcome(500, None, "exception", "Internal server error", diagnostics=_STUCK))
            shown = [record.id for record in records if record.current.ms == at]
            cursor = "-".join(["2", str(at), *([",".join(shown)] if shown else [])])
            yield "next", replace(query, cursor=cursor).url(base)
        return
    if following is not None:
        yield "next", replace(query, offset=query.offset + query.count).url(base)
    if query.offset:
        yield "previous", replace(query, offset=query.offset - query.count).url(base)


def _cursor(text: str) -> tuple[int, frozenset[str]]:
    version, at, *shown = [*text.split("-", 2), "", ""][:3]
    if version != "2" or not at.isdigit():
        return 0, frozenset()  # Medplum passes over a cursor that it can not read
    return int(at), frozenset(shown[0].split(",")) - {""}


def _tagged(record: Record, value: str) -> bool:
    """A token as FHIR searches it: `system|code`, or `code` in any system; several, if separated by commas."""
    return any(
        tag == wanted if "|" in wanted else tag.endswith(f"|{wanted}")
        for wanted in value.split(",")
        for tag in record.tags
    )


def _equal(record: Record, wanted: Sequence[tuple[str, str]]) -> bool:
    content = orjson.loads(record.current.body)
    return all(value in values(content.get(name)) for name, value in wanted)


def _range(value: str) -> tuple[int, int]:
    """The milliseconds, both ends included, that a `_lastUpdated` value means. Raises Refused (400)."""
    prefix, text = (value[:2], value[2:]) if value[:2].isalpha() else ("eq", value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(invalid(f"Invalid date value: {value}")) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    at = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    match prefix:
        case "gt" | "sa":
            return at + 1, 2**63
        case "ge":
            return at, 2**63
        case "lt" | "eb":
            return 0, at - 1
        case "le":
            return 0, at
        case "eq":
            return at, at
    raise Refused(invalid(f"Invalid date value: {value}"))


def _whole(value: str) -> int:
    if not value.isdigit():
        raise Refused(invalid("Invalid number"))
    return int(value)
