"""Which dead letters are meant, and how many there are of what."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime, timedelta

import orjson
from msgspec import Struct, structs

from handlers.deadletters.records import RECOVERABLE
from shared.deadletters.port import Entry, Index, Place

_PAGE, _TEXTS = 2000, 10_000
_AGES = (("under an hour", 3600), ("under a day", 86_400), ("under a week", 7 * 86_400), ("older", None))


class Filter(Struct, frozen=True):
    """All that is given must hold; what is empty does not count. `since` is included, `until` is not."""

    code: str = ""  # what it was set aside under, or its last attempt ended with
    handler: str = ""
    type: str = ""  # FHIR's
    project: str = ""  # the tenant's public name
    since: str = ""
    until: str = ""
    trace: str = ""  # a trace id or a correlation id
    events: tuple[str, ...] = ()
    recoverable: bool = False  # dead-lettered because a dependency was down

    def matches(self, one: Entry) -> bool:
        """Whether the entry is meant."""
        return (
            (not self.code or self.code in (one.code, one.cause))
            and (not self.handler or self.handler == one.handler)
            and (not self.type or self.type == one.resource_type)
            and (not self.project or self.project == one.project)
            and (not self.since or one.set_aside >= self.since)
            and (not self.until or one.set_aside < self.until)
            and (not self.trace or self.trace in (one.trace, one.correlation))
            and (not self.events or one.event in self.events)
            and (not self.recoverable or (one.kind == "dead-letter" and one.cause in RECOVERABLE))
        )

    def given(self) -> dict[str, object]:
        """What is asked for, as JSON has it."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in structs.asdict(self).items()
            if value
        }


async def each(index: Index, *, plan: str = "", aside: bool = False) -> AsyncIterator[list[Entry]]:
    """All entries, page by page: of one plan, or of all."""
    after: Place | None = None
    while page := await index.page(after, plan=plan, aside=aside, limit=_PAGE):
        yield page
        after = page[-1].place


async def texts(index: Index, *, aside: bool) -> AsyncIterator[list[str]]:
    """All entries as JSON, page by page."""
    after: Place | None = None
    while page := await index.texts(after, aside=aside, limit=_TEXTS):
        yield [text for _, text in page]
        after, _ = page[-1]


async def count(index: Index, now: float) -> dict[str, Mapping[str, int]]:
    """How many lie aside: by handler, code, cause, state, age, type and project."""
    counters: dict[str, Counter[str]] = {
        name: Counter() for name in ("handler", "code", "cause", "state", "age", "type", "project")
    }
    bounds = [(name, instant(now - seconds) if seconds else "") for name, seconds in _AGES]
    total = 0
    async for page in texts(index, aside=True):
        total += len(page)
        _count(counters, page, bounds)
    return {"messages": {"all": total}, **{name: dict(found.most_common()) for name, found in counters.items()}}


def _count(counters: Mapping[str, Counter[str]], page: Iterable[str], bounds: list[tuple[str, str]]) -> None:
    entries = [orjson.loads(text) for text in page]
    for name in ("handler", "code", "state", "project"):
        counters[name].update(one[name] for one in entries)
    counters["age"].update(next(name for name, bound in bounds if one["set_aside"] >= bound) for one in entries)
    counters["type"].update(one["resource_type"] or "-" for one in entries)
    counters["cause"].update(one["cause"] for one in entries if one["cause"])


def instant(seconds: float) -> str:
    """RFC 3339 in UTC, to the millisecond: the form of every time in the index."""
    return rfc3339(datetime.fromtimestamp(seconds, UTC))


def rfc3339(when: datetime) -> str:
    """The same of a datetime with its zone."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str, now: float) -> str:
    """An instant with its zone, or an age as `90m`, `2h`, `3d`. Raises ValueError."""
    if text[:-1].isdigit() and text[-1:] in _UNITS:
        return rfc3339(datetime.fromtimestamp(now, UTC) - timedelta(seconds=int(text[:-1]) * _UNITS[text[-1]]))
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError("an instant has a zone")
    return rfc3339(when)


_UNITS = {"m": 60, "h": 3600, "d": 86_400}
