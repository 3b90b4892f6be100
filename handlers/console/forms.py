"""What comes in: queries and forms, each field of a form that we know; and the proof that a form is one of ours.

A form counts if the browser says that it comes from our own pages, and if it bears the token that the page gave it: a MAC
over the person, under a secret that lies in this browser's cookie alone. So no other site can send one, and nothing has to
be kept here. Whoever can neither read nor set a `__Host-` cookie can make no token.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlsplit

from fastapi import Request

from handlers import catalog
from handlers.console.rights import Person
from handlers.deadletters.choosing import Filter, moment
from handlers.deadletters.records import DEAD_LETTER, NOBODY
from shared.deadletters.port import Place
from shared.errors import Code, Problem
from shared.settings import Settings

FORM_LIMIT = 4096  # bytes
QUERY_LIMIT = 1024
_FIELDS = 20
_SECRET = re.compile(r"[A-Za-z0-9_\-]{43}")
_TYPE, _TRACE = re.compile(r"[A-Z][A-Za-z]{1,40}"), re.compile(r"[0-9a-f\-]{32,36}")
_EVENT = re.compile(r"[0-9a-f]{16,64}")
_PLACE = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]{8,16}Z)\|([a-z.\-]{1,100})\|([A-Za-z0-9_\-]{1,64})")

type Fields = Mapping[str, str]


def cookie_name(settings: Settings) -> str:
    """`__Host-` keeps a neighbour's page from setting it; browsers grant it over https alone."""
    return "__Host-ops-form" if settings.console_origin.startswith("https://") else "ops-form"


def browser_secret(request: Request, settings: Settings) -> str:
    """The secret that lies in this browser; a new one if there is none."""
    found = request.cookies.get(cookie_name(settings), "")
    return found if _SECRET.fullmatch(found) else secrets.token_urlsafe(32)


def form_token(secret: str, person: Person) -> str:
    """What a form of ours bears."""
    return hmac.new(secret.encode(), f"form|{person.email}".encode(), hashlib.sha256).hexdigest()


def ours(request: Request, fields: Fields, person: Person, settings: Settings) -> None:
    """Raises Problem(WRONG_CALLER) unless the form is one of our pages', and this person's.

    Our pages send no referrer, and with that policy browsers say `null` of a form's origin, too: then what they say of
    the site (Sec-Fetch-Site, which no page can set) must be that it is the same origin.
    """
    origin, site = request.headers.get("origin", ""), request.headers.get("sec-fetch-site", "")
    expected = "{0.scheme}://{0.netloc}".format(urlsplit(settings.console_origin))
    if site not in ("", "same-origin") or not (origin == expected or (origin == "null" and site == "same-origin")):
        raise Problem(Code.WRONG_CALLER, "origin")
    secret = request.cookies.get(cookie_name(settings), "")
    token = fields.get("form", "")
    if not _SECRET.fullmatch(secret) or not token.isascii():
        raise Problem(Code.WRONG_CALLER, "form")
    if not hmac.compare_digest(token, form_token(secret, person)):
        raise Problem(Code.WRONG_CALLER, "form")


def query_of(request: Request, allowed: frozenset[str], *, limit: int = QUERY_LIMIT) -> Fields:
    """The query's fields. Raises Problem(BAD_BODY) for one that we do not know, or that is given twice."""
    return _fields(request.scope["query_string"], allowed, limit)


def form_of(request: Request, body: bytes, allowed: frozenset[str]) -> Fields:
    """The form's fields. Raises Problem(BAD_BODY)."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise Problem(Code.BAD_BODY, "content-type")
    return _fields(body, allowed | {"form"}, FORM_LIMIT)


def _fields(raw: bytes, allowed: frozenset[str], limit: int) -> Fields:
    if len(raw) > limit:
        raise Problem(Code.BODY_TOO_LARGE, "fields")
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
    except ValueError:
        raise Problem(Code.BAD_BODY, "fields") from None
    fields = dict(pairs)
    if len(fields) < len(pairs) or not fields.keys() <= allowed:
        raise Problem(Code.BAD_BODY, "fields")
    return {name: value.strip() for name, value in fields.items()}


FILTER = frozenset({"code", "handler", "type", "project", "trace", "since", "until", "event"})


def filter_of(fields: Fields, settings: Settings, now: float) -> Filter:
    """Which dead letters are meant. Raises Problem(BAD_BODY), whose place names the field."""
    slugs = {code.slug for code in Code} | {DEAD_LETTER}
    fits: dict[str, Callable[[str], object]] = {
        "code": slugs.__contains__,
        "handler": {on.handler for on in catalog.subscriptions()}.__contains__,
        "type": _TYPE.fullmatch,
        "project": {NOBODY, *(tenant.name for tenant in settings.tenants)}.__contains__,
        "trace": _TRACE.fullmatch,
        "event": _EVENT.fullmatch,
    }
    given = {name: fields.get(name, "") for name in FILTER}
    for name, fit in fits.items():
        if given[name] and not fit(given[name]):
            raise Problem(Code.BAD_BODY, name)
    return Filter(
        code=given["code"],
        handler=given["handler"],
        type=given["type"],
        project=given["project"],
        since=_moment("since", given["since"], now),
        until=_moment("until", given["until"], now),
        trace=given["trace"],
        events=(given["event"],) if given["event"] else (),
    )


def number_of(fields: Fields, name: str, *, most: int, default: int) -> int:
    """A whole number of a form. Raises Problem(BAD_BODY)."""
    text = fields.get(name, "") or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 8 and int(text) <= most):
        raise Problem(Code.BAD_BODY, name)
    return int(text)


def event_of(text: str) -> str:
    """An event's id, from a path. Raises Problem(UNKNOWN_ROUTE)."""
    if not _EVENT.fullmatch(text):
        raise Problem(Code.UNKNOWN_ROUTE, "event")
    return text


def place_of(text: str) -> Place | None:
    """Where a page of the list begins. Raises Problem(BAD_BODY)."""
    found = _PLACE.fullmatch(text)
    if text and found is None:
        raise Problem(Code.BAD_BODY, "after")
    return (found[1], found[2], found[3]) if found else None


def _moment(name: str, text: str, now: float) -> str:
    try:
        return moment(text, now) if text else ""
    except (ValueError, OverflowError):
        raise Problem(Code.BAD_BODY, name) from None
