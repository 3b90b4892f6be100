"""Bundles put together from resources that are JSON already: nothing is parsed to be written again."""

from collections.abc import Iterable

import orjson

from shared.local.medplum.outcomes import OK, Outcome
from shared.local.medplum.store import Record, Version

_DELETED_ON = "Deleted on {:%a %b %d %Y %H:%M:%S} GMT+0000 (Coordinated Universal Time)"


def shown(version: Version, extended: bool) -> bytes:
    """The version as REST shows it, with author, project and compartment if that was asked for."""
    return version.body if extended else version.plain()


def with_member(entry: bytes, name: str, value: bytes) -> bytes:
    """The JSON object with one more member, whose value is JSON already."""
    return entry[:-1] + b',"' + name.encode() + b'":' + value + b"}"


def bundle(type: str, entries: Iterable[bytes], rest: bytes = b"") -> bytes:
    """A Bundle. `rest` is what follows the entries, with its leading comma. No entries, no member."""
    joined = b",".join(entries)
    listed = b',"entry":[' + joined + b"]" if joined else b""
    return b'{"resourceType":"Bundle","type":"' + type.encode() + b'"' + listed + rest + b"}"


def history_entry(base: str, record: Record, version: Version, extended: bool) -> bytes:
    """A version, or a deletion, which names no version and tells its time in prose."""
    where = f"{record.type}/{record.id}"
    if version.deleted:
        outcome = Outcome(410, "gone", "deleted", _DELETED_ON.format(version.moment))
        request = {"method": "DELETE", "url": where}
    else:
        outcome = OK
        request = {"method": "GET", "url": f"{where}/_history/{version.id}"}
    response = {"status": str(outcome.status), "outcome": outcome.resource()}
    entry = orjson.dumps({"fullUrl": f"{base}/{where}", "request": request, "response": response})
    return entry if version.deleted else with_member(entry, "resource", shown(version, extended))
