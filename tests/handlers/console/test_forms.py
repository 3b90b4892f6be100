"""What comes in and what is shown: no form but ours is taken, and nothing that is shown can be anything but text."""

import asyncio
import re
from copy import replace

import httpx
import pytest

from handlers.console import routes
from handlers.console.forms import form_token
from handlers.console.pages import HEADERS, statics
from handlers.console.rights import Person
from shared.deadletters.port import Plan, Stage
from shared.errors import Code, Problem
from tests.handlers.console.house import APPROVER, OPERATOR, ORIGIN, Desk, console, post

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


async def _planned(desk: Desk, browser: httpx.AsyncClient) -> str:
    answer = await post(browser, "/ops/plans", {"code": "resource-invalid", "reason": "rule mended"})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].rpartition("/")[2]


async def test_a_plan_is_made_approved_by_another_and_replayed_and_each_act_bears_who_was_let_in() -> None:
    async with console(require_approval=True) as desk, desk.browser(OPERATOR) as ann, desk.browser(APPROVER) as bob:
        entries = await desk.house.quarantine(3)
        id = await _planned(desk, ann)
        refused = await post(ann, f"/ops/plans/{id}/replay", {"per_second": "0"})
        assert (refused.status_code, "approval" in refused.text) == (409, True)
        assert (await post(ann, f"/ops/plans/{id}/approve", {})).status_code == 403, "no right"
        assert (await post(bob, f"/ops/plans/{id}/approve", {})).status_code == 303
        assert (await post(bob, f"/ops/plans/{id}/replay", {})).status_code == 403, "no right"
        assert (await post(ann, f"/ops/plans/{id}/replay", {"per_second": "0"})).status_code == 303
        while (plan := await desk.house.desk.progress(id)).stage is Stage.RUNNING:
            await asyncio.sleep(0.05)
        assert (plan.stage, plan.by, plan.approved_by) == (Stage.DONE, OPERATOR, APPROVER)
        assert sorted(desk.house.sent()) == sorted(one.event or "" for one in entries)
        audits = [message.data.decode() for topic, message in desk.house.published if topic == "ops.audit"]
        assert any(APPROVER in one and "approve" in one for one in audits)
        assert any(OPERATOR in one and "replay" in one for one in audits)
        progress = await ann.get(f"/ops/plans/{id}/progress")
        assert "data-ended" in progress.text
        assert "100 per cent" in progress.text


async def test_nobody_approves_a_plan_of_his_own_however_he_writes_himself() -> None:
    roles = {OPERATOR: ("operator", "approver")}
    async with console(console_roles=roles) as desk, desk.browser(OPERATOR) as ann:
        await desk.house.quarantine()
        id = await _planned(desk, ann)
        async with desk.browser("OPERATOR@clinic.example") as same:
            answer = await post(same, f"/ops/plans/{id}/approve", {})
            assert (answer.status_code, "another person must" in answer.text) == (409, True)


async def test_who_acts_is_no_field_of_a_form() -> None:
    async with console() as desk, desk.browser(OPERATOR) as ann:
        await desk.house.quarantine()
        answer = await post(ann, "/ops/plans", {"reason": "mended", "by": APPROVER})
        assert answer.status_code == 400
        assert await desk.house.desk.plans() == []


async def test_a_plan_is_started_by_whoever_made_it() -> None:
    roles = {OPERATOR: ("operator",), "second@clinic.example": ("operator",)}
    async with console(console_roles=roles) as desk, desk.browser(OPERATOR) as ann:
        await desk.house.quarantine()
        id = await _planned(desk, ann)
        async with desk.browser("second@clinic.example") as other:
            assert (await post(other, f"/ops/plans/{id}/replay", {})).status_code == 409


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "null", "sec-fetch-site": "same-site"},
        {"origin": "null", "sec-fetch-site": ""},
        {"origin": "", "sec-fetch-site": ""},
        {"origin": ORIGIN, "sec-fetch-site": "cross-site"},
        {"origin": ORIGIN + ".evil.example", "sec-fetch-site": ""},
    ],
    ids=str,
)
async def test_a_form_from_another_site_is_refused(headers: dict[str, str]) -> None:
    async with console() as desk, desk.browser(OPERATOR) as ann:
        await desk.house.quarantine()
        assert (await post(ann, "/ops/plans", {"reason": "mended"}, **headers)).status_code == 403
        assert await desk.house.desk.plans() == []


async def test_a_form_without_this_browsers_token_for_this_person_is_refused() -> None:
    async with console() as desk, desk.browser(OPERATOR) as ann:
        await desk.house.quarantine()
        await ann.get("/ops")
        anothers = form_token(str(ann.cookies["__Host-ops-form"]), Person(APPROVER, frozenset()))
        for token in ("", "0" * 64, "é", anothers):
            answer = await post(ann, "/ops/plans", {"reason": "mended", "form": token})
            assert answer.status_code == 403, token
        assert (await post(ann, "/ops/plans", {"reason": "mended"}, origin=ORIGIN)).status_code == 303


@pytest.mark.parametrize(
    "query",
    [
        *("code=nonsense", "handler=x", "type=%3Cscript%3E", "since=yesterday", "trace=x", "after=x", "x=1"),
        *("code=a&code=b", "event=%00", "project=../..", "since=99999999999d", "type=" + "A" * 2000),
    ],
)
async def test_a_query_that_is_none_of_ours_is_refused_and_not_repeated(query: str) -> None:
    async with console() as desk, desk.browser(OPERATOR) as ann:
        answer = await ann.get(f"/ops/letters?{query}")
        assert answer.status_code in (400, 413)
        assert "script>" not in answer.text.replace("<script src", "").replace("</script>", "")


async def test_what_is_shown_is_text_whatever_it_holds() -> None:
    """Nothing of this could be in the index or in a plan, for all have their forms; and were it there, it would be text."""
    async with console(console_roles={OPERATOR: ("operator",), "group:<b>": ("viewer",)}) as desk:
        [entry] = await desk.house.quarantine()
        assert entry.event
        bad = dict.fromkeys(("handler", "code", "cause", "at", "resource_type", "project", "trace"), EVIL)
        await desk.house.index.change([replace(entry, **bad, revision=entry.revision + 1)])  # type: ignore[arg-type]
        plan = Plan(
            "a" * 32, EVIL, 1, 1, {"code": EVIL, "events": [EVIL]}, (EVIL,), EVIL, EVIL, EVIL, why=EVIL, revision=1
        )
        await desk.house.index.put_plan(plan)
        await desk.marks.set("recent:clinic:Patient", EVIL)
        paths = ("/ops", "/ops/letters", "/ops/plans", f"/ops/plans/{plan.id}", "/ops/reconcile", "/ops/deployment")
        async with desk.browser(OPERATOR) as ann:
            shown = [await ann.get(path) for path in paths]
        for answer in shown:
            assert answer.status_code == 200, answer.url
            assert "<img" not in answer.text, answer.url
            assert "alert(1)</script>" not in answer.text, answer.url
        assert sum("&lt;img" in answer.text for answer in shown) >= 4, "it was there to be shown"


async def test_somebody_whose_address_is_a_script_reads_it_as_text_or_not_at_all() -> None:
    async with console(console_roles={EVIL.lower(): ("viewer",)}) as desk, desk.browser(EVIL) as mallory:
        answer = await mallory.get("/ops")
        assert answer.status_code == 200
        assert "<img" not in answer.text


async def test_every_answer_has_the_headers_that_allow_a_page_nothing_but_itself() -> None:
    async with console() as desk, desk.browser(OPERATOR) as ann:
        [entry] = await desk.house.quarantine()
        paths = [one.path.replace("{id}", entry.event or "") for one in routes.ENDPOINTS if one.method == "GET"]
        for path in (*paths, "/ops/letters?x=1", "/ops/static/none.css"):
            answer = await ann.get(path)
            assert dict(HEADERS).items() <= dict(answer.headers).items(), path
            assert not re.search(r"<[^>]*\s(style|on[a-z]+)=", answer.text), path
            assert not re.search(
                r"<script(?! src=)|<style|(src|href)=.https?://(?!console\.cloud\.google\.com)", answer.text
            ), path
        for file in statics().values():
            kept = await ann.get(file.path)
            assert "immutable" in kept.headers["cache-control"]
            assert kept.headers["x-content-type-options"] == "nosniff"


async def test_a_secret_never_stands_on_the_page_of_settings() -> None:
    async with console(console_key="a1" * 32) as desk, desk.browser(OPERATOR) as ann:
        text = (await ann.get("/ops/deployment")).text
        held = [
            secret for one in desk.console.settings.tenants for secret in (one.event_key, one.pseudonym_key) if secret
        ]
        for secret in ["a1" * 32, *(one.get_secret_value() for one in held)]:
            assert secret not in text
        assert "console_key" in text


async def test_a_ledger_that_is_down_is_a_page_that_says_so() -> None:
    class Down:
        async def all(self, *, now: float) -> list[str]:
            raise Problem(Code.LEDGER_DOWN, "metrics")

    async with console() as desk, desk.browser(OPERATOR) as ann:
        broken = replace(desk.console, stores=(Down(),))  # type: ignore[arg-type]
        desk.show(broken)
        answer = await ann.get("/ops")
        assert answer.status_code == 503
        assert "ledger-down" in answer.text
        assert 'aria-label="Console"' in answer.text, "the way to the other pages stays"


async def test_where_nobody_has_a_role_there_is_no_console() -> None:
    async with console() as desk, desk.browser(OPERATOR) as ann:
        desk.show(None)
        assert (await ann.get("/ops")).status_code == 404


async def test_a_fault_of_ours_is_a_page_without_its_text() -> None:
    class Broken:
        async def all(self, *, now: float) -> list[str]:
            raise RuntimeError("secret words")

    async with console() as desk, desk.browser(OPERATOR) as ann:
        desk.show(replace(desk.console, stores=(Broken(),)))  # type: ignore[arg-type]
        answer = await ann.get("/ops")
        assert answer.status_code == 500
        assert "secret words" not in answer.text
