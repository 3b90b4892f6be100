"""Dead letters: how many of what; which; and the life of one event across all handlers.

Whoever may only look sees the counts. What names an event is for those who may see events.
"""

from urllib.parse import urlencode

from handlers import catalog
from handlers.console.forms import Fields, filter_of, place_of
from handlers.console.pages import View
from handlers.console.rights import Person, Right
from handlers.deadletters.desk import Desk
from handlers.deadletters.records import advice, meaning
from shared.errors import Code, Problem

_ROWS = 50
_GROUPS = ("handler", "code", "cause", "age", "type", "project", "state")


async def listed(desk: Desk, person: Person, fields: Fields) -> View:
    """Counts, and a page of what meets the filter. Raises Problem: BAD_BODY, LEDGER_DOWN."""
    counts = await desk.counts()
    named = {name: value for name, value in fields.items() if value and name != "after"}
    shown: dict[str, object] = {
        "nav": "letters",
        "total": counts["messages"]["all"],
        "groups": [(name, counts[name]) for name in _GROUPS if counts[name]],
        "filter": named,
        "handlers": [on.handler for on in catalog.subscriptions()],
        "codes": sorted(counts["code"].keys() | counts["cause"].keys()),
        "entries": None,
        "more": "",
    }
    if named or fields.get("after"):
        person.must(Right.EVENTS)
    if person.may(Right.EVENTS):
        chosen = filter_of(fields, desk.settings, desk.now())
        page = await desk.records(chosen, place_of(fields.get("after", "")), limit=_ROWS)
        shown["entries"] = page.entries
        shown["more"] = urlencode({**named, "after": "|".join(page.next)}) if page.next else ""
    return View("letters.html", shown)


async def event(desk: Desk, id: str) -> View:
    """The life of an event. Raises Problem(UNKNOWN_ROUTE) if nobody knows it."""
    life = await desk.event(id)
    if life is None:
        raise Problem(Code.UNKNOWN_ROUTE, "event")
    codes = {one.cause or one.code for one in life.entries}
    paragraphs = [(code, meaning(code), advice(code)) for code in sorted(codes)]
    return View("event.html", {"nav": "letters", "life": life, "paragraphs": paragraphs})
