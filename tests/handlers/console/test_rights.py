"""Who may what: each page and each role, each property, and everybody who is not who he says."""

import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from handlers.console.rights import ROLES as RIGHTS
from handlers.console.routes import ENDPOINTS, Endpoint
from tests.handlers.console.house import (
    APPROVER,
    AUDIENCE,
    NOBODY,
    OPERATOR,
    ROLES,
    VIEWER,
    Desk,
    assertion,
    console,
    post,
)

FORGED: dict[str, Callable[[], str]] = {
    "for another service": lambda: assertion(aud=AUDIENCE + "0"),
    "for a list of services": lambda: assertion(aud=[AUDIENCE]),
    "of another issuer": lambda: assertion(iss="https://accounts.google.com"),
    "run out": lambda: assertion(exp=int(time.time()) - 60),
    "good for too long": lambda: assertion(exp=int(time.time()) + 4000),
    "of tomorrow": lambda: assertion(iat=int(time.time()) + 600),
    "of nobody": lambda: assertion(email=None),  # type: ignore[arg-type]
    "of several": lambda: assertion(email=[OPERATOR]),  # type: ignore[arg-type]
    "without a subject": lambda: assertion(sub=None),
    "of a key that nobody published": lambda: assertion(kid="p2"),
    "of another key": lambda: assertion(key=ec.generate_private_key(ec.SECP256R1())),
    "under a shared secret": lambda: assertion(key="0" * 64, algorithm="HS256"),
    "unsigned": lambda: assertion(key=None, algorithm="none"),
}
PEOPLE = {VIEWER: "viewer", OPERATOR: "operator", APPROVER: "approver"}


async def _ask(desk: Desk, email: str | None, endpoint: Endpoint, id: str) -> int:
    async with desk.browser(email) as browser:
        path = endpoint.path.replace("{id}", id)
        if endpoint.method == "GET":
            return (await browser.get(path)).status_code
        if email is None:
            return (await browser.post(path, data={})).status_code
        return (await post(browser, path, {"reason": "mended"} if path == "/ops/plans" else {})).status_code


async def test_each_page_is_open_to_the_roles_that_have_its_right_and_to_nobody_else() -> None:
    async with console() as desk:
        [entry] = await desk.house.quarantine()
        assert entry.event
        for endpoint in ENDPOINTS:
            for email, role in PEOPLE.items():
                status = await _ask(desk, email, endpoint, entry.event)
                may = endpoint.right in RIGHTS[role]
                assert (status == 403) is not may, (endpoint.method, endpoint.path, role, status)
            assert await _ask(desk, NOBODY, endpoint, entry.event) == 403, endpoint.path
            assert await _ask(desk, None, endpoint, entry.event) == 401, endpoint.path


async def test_a_viewer_sees_codes_and_counts_and_never_what_names_an_event() -> None:
    async with console() as desk:
        [entry] = await desk.house.quarantine()
        assert entry.event
        async with desk.browser(VIEWER) as browser:
            pages = [(await browser.get(path)).text for path in ("/ops", "/ops/letters", "/ops/reconcile")]
        assert entry.code in pages[1]
        for text in pages:
            assert entry.event[:12] not in text
            assert entry.resource not in text
            assert entry.trace not in text
        assert OPERATOR not in ROLES, "the setting writes the address otherwise, and it is the same person"
        async with desk.browser(OPERATOR) as browser:
            assert entry.event in (await browser.get("/ops/letters")).text


async def test_a_viewer_can_not_ask_about_one_event_by_filtering_the_counts() -> None:
    async with console() as desk, desk.browser(VIEWER) as browser:
        assert (await browser.get("/ops/letters", params={"event": "a" * 64})).status_code == 403


@pytest.mark.parametrize("name", FORGED)
async def test_an_assertion_that_the_proxy_did_not_make_for_us_now_is_refused(name: str) -> None:
    async with console() as desk, desk.browser(None) as browser:
        answer = await browser.get("/ops", headers={"x-goog-iap-jwt-assertion": FORGED[name]()})
        assert answer.status_code == 401
        assert "bad-token" in answer.text


async def test_headers_that_anyone_can_send_say_nothing_and_two_assertions_are_none() -> None:
    async with console() as desk, desk.browser(None) as browser:
        unsigned = {"x-goog-authenticated-user-email": f"accounts.google.com:{OPERATOR}"}
        assert (await browser.get("/ops", headers=unsigned)).status_code == 401
        twice = [("x-goog-iap-jwt-assertion", assertion(email)) for email in (OPERATOR, VIEWER)]
        assert (await browser.get("/ops", headers=twice)).status_code == 401


async def test_in_the_cloud_neither_a_bearer_token_nor_a_login_link_opens_the_console() -> None:
    async with console() as desk, desk.browser(None) as browser:
        token = desk.issuer.token(OPERATOR, "https://ops.example/ops")
        assert (await browser.get("/ops", headers={"authorization": f"Bearer {token}"})).status_code == 401
        link = desk.issuer.token(OPERATOR, "https://ops.example/ops/login")
        assert (await browser.get("/ops/login", params={"token": link})).status_code == 404


async def test_on_one_machine_a_link_opens_a_session_once_and_a_session_can_be_ended() -> None:
    async with console(console_key="a1" * 32) as desk, desk.browser(None) as browser:
        link = desk.issuer.token("operator@clinic.example", "https://ops.example/ops/login")
        opened = await browser.get("/ops/login", params={"token": link})
        assert (opened.status_code, opened.headers["location"]) == (303, "/ops")
        cookie = opened.headers["set-cookie"].lower()
        assert all(word in cookie for word in ("httponly", "samesite=strict", "secure", "path=/ops"))
        assert OPERATOR in (await browser.get("/ops")).text
        async with desk.browser(None) as another:
            assert (await another.get("/ops/login", params={"token": link})).status_code == 401
            forged = browser.cookies["ops-session"].partition(".")[0] + "." + "0" * 64
            assert (await another.get("/ops", headers={"cookie": f"ops-session={forged}"})).status_code == 401
