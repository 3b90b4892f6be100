"""Pages: templates that escape whatever they show, static files named by their content, and headers that allow no more.

A template that names what it was not given fails (StrictUndefined): an empty cell would look like good news.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from fastapi import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from msgspec import Struct

from handlers.console import forms
from handlers.console.rights import Person
from handlers.http import threaded
from shared.errors import Code
from shared.settings import Settings
from shared.telemetry.report import current_request_id

_HERE = Path(__file__).parent
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
HEADERS: Mapping[str, str] = {
    # connect-src is for the page's own poll of its own numbers.
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


class View(Struct, frozen=True):
    """What a page shows: its template, and what that names."""

    template: str
    shown: Mapping[str, object]


class Static(Struct, frozen=True):
    """A file whose name holds its hash: it never changes, so browsers keep it."""

    path: str
    body: bytes
    type: str


@cache
def statics() -> Mapping[str, Static]:
    """name in the path → file; read once."""
    found = {}
    for file in sorted((_HERE / "static").iterdir()):
        body = file.read_bytes()
        name = f"{file.stem}.{hashlib.sha256(body).hexdigest()[:16]}{file.suffix}"
        found[name] = Static(f"/ops/static/{name}", body, _TYPES[file.suffix])
    return found


@cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"count": count, "rate": rate, "seconds": seconds, "when": when, "clock": clock, "prose": prose}
    made.filters |= {"percent": percent, "cell": cell}
    made.globals |= {"static": {re.sub(r"\.[0-9a-f]{16}", "", name): one.path for name, one in statics().items()}}
    return made


def page(request: Request, view: View, person: Person, settings: Settings, status: int = 200) -> Response:
    """The page, for this person."""
    secret = forms.browser_secret(request, settings)
    shown = {**view.shown, "person": person, "form": forms.form_token(secret, person), "local": settings.local}
    text = _templates().get_template(view.template).render(shown)
    answer = html(text, status)
    if request.cookies.get(forms.cookie_name(settings)) != secret:
        answer.set_cookie(
            forms.cookie_name(settings),
            secret,
            path="/",
            httponly=True,
            samesite="strict",
            secure=settings.console_origin.startswith("https://"),
        )
    return answer


def refusal(code: Code, at: str, *, person: Person | None = None) -> Response:
    """A page that says what went wrong, by its code; nothing of the input."""
    shown = {"code": code, "at": at, "person": person, "form": "", "local": False, "request": current_request_id()}
    answer = html(_templates().get_template("refusal.html").render(shown), code.status)
    if code.status == 401:
        answer.headers["www-authenticate"] = "Bearer"
    return answer


def html(text: str, status: int = 200) -> Response:
    """An HTML answer with the headers of all."""
    return threaded(Response(text, status, HEADERS, "text/html; charset=utf-8"))


def see(path: str) -> Response:
    """Go there, with GET: what was sent is done, and is not sent again on reload."""
    return threaded(Response(status_code=303, headers={**HEADERS, "location": path}))


def count(number: float) -> str:
    """1 234 567, with thin spaces."""
    return f"{number:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def cell(people: int | None) -> str:
    """A number of people; None stands for fewer than eleven."""
    return "under 11" if people is None else count(people)


def percent(share: float | None) -> str:
    """A share of people; None where they are fewer than eleven."""
    return "under 11 people" if share is None else f"{share:.2%}"


def rate(number: float) -> str:
    """Three digits at most."""
    return "0" if number == 0 else f"{number:.2f}" if number < 1 else f"{number:.1f}" if number < 100 else count(number)


def seconds(number: float) -> str:
    """A duration, as one says it; a dash where there is none."""
    if number <= 0:
        return "–"
    if number < 1:
        return f"{number * 1000:.0f} ms"
    return (
        f"{number:.1f} s" if number < 120 else f"{number / 60:.0f} min" if number < 7200 else f"{number / 3600:.0f} h"
    )


def when(instant: str) -> str:
    """An instant of the index, to the second."""
    return instant.replace("T", " ").partition(".")[0].removesuffix("Z") if instant else "–"


def clock(seconds: float) -> str:
    """Seconds since the epoch as a time of day in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")


def prose(text: str) -> Markup:
    """A paragraph of the runbook: what stands in backticks is code, what stands in stars is strong. All of it is escaped."""
    parts = re.split(r"(`[^`]+`|\*\*[^*]+\*\*)", text)
    return Markup("").join(_marked(part) for part in parts)


def _marked(part: str) -> Markup:
    if part.startswith("`"):
        return Markup("<code>{}</code>").format(part.strip("`"))
    return Markup("<strong>{}</strong>").format(part.strip("*")) if part.startswith("**") else escape(part)
