"""The console in a real browser: every page, on a desk and on a phone, by day and by night. Skipped where there is none."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.handlers.console.chromium import AXE, Page, browsing, chromium
from tests.handlers.console.house import OPERATOR
from tests.handlers.console.serving import seen, served

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="no Chromium here: apt-get install -y chromium"),
    pytest.mark.xdist_group("chromium"),
]
LARGEST = 100_000  # bytes of a page with all that it asks for
_VIEWS = ((1280, False), (390, True))  # each scheme, each layout


@asynccontextmanager
async def _open(folder: Path) -> AsyncIterator[tuple[Page, str, dict[str, str]]]:
    """A tab in which the operator has signed in with the link; the origin, and the paths of all pages."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    origin = f"http://127.0.0.1:{port}"
    async with AsyncExitStack() as stack:
        desk = await stack.enter_async_context(served(port))
        paths = await seen(desk)
        browser = await stack.enter_async_context(browsing(folder / "browser"))
        page = await browser.page()
        await page.open(f"{origin}/ops/login?token={desk.issuer.token(OPERATOR, f'{origin}/ops/login')}")
        yield page, origin, paths


async def test_every_page_is_light_and_asks_nobody_else_and_complains_of_nothing(tmp_path: Path) -> None:
    async with _open(tmp_path) as (page, origin, paths):
        for name, path in paths.items():
            await page.call("Network.clearBrowserCache")
            found = await page.open(origin + path)
            assert await page.run("document.querySelector('h1').textContent.trim()")
            assert found.bytes < LARGEST, name
            assert all(url.startswith((origin, "data:")) for url in found.requests), name
            complaints = [text for text in found.said if name != "refusal"]  # whose status the browser reports
            assert complaints == [], name


async def test_no_page_is_wider_than_the_phone_that_shows_it(tmp_path: Path) -> None:
    async with _open(tmp_path) as (page, origin, paths):
        await page.look(width=390, dark=False)
        for name, path in paths.items():
            await page.open(origin + path)
            assert await page.run("document.documentElement.scrollWidth <= 390"), name


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not here: ./dev bench console fetches it")
async def test_axe_finds_nothing_on_any_page_in_either_scheme(tmp_path: Path) -> None:
    async with _open(tmp_path) as (page, origin, paths):
        for name, path in paths.items():
            for width, dark in _VIEWS:
                await page.look(width=width, dark=dark)
                await page.open(origin + path)
                await page.run(AXE.read_text() + ";0")
                found = await page.run(
                    "axe.run().then(r => JSON.stringify(r.violations.map(v => [v.id, v.nodes[0].html])))"
                )
                assert json.loads(found) == [], (name, width, dark)


async def test_a_plan_is_made_with_the_form_alone_and_the_page_of_numbers_keeps_itself_fresh(tmp_path: Path) -> None:
    async with _open(tmp_path) as (page, origin, _):
        await page.open(f"{origin}/ops/letters?code=resource-invalid")
        await page.run("document.querySelector('[name=reason]').value = 'rule mended'")
        await page.click(".act button")
        assert "Plan" in await page.run("document.querySelector('h1').textContent")
        assert "7 messages" in await page.run("document.querySelector('.facts').textContent")
        await page.open(f"{origin}/ops")
        await page.run(
            "new Promise(done => { const live = document.querySelector('#live');"
            "new MutationObserver(() => done()).observe(live, {childList: true}); })"
        )
        assert await page.run("document.querySelectorAll('.path li').length") == 4


async def test_the_keyboard_reaches_the_content_first_and_what_has_the_focus_can_be_seen(tmp_path: Path) -> None:
    async with _open(tmp_path) as (page, origin, _):
        await page.open(f"{origin}/ops/letters")
        for key in ("keyDown", "keyUp"):
            await page.call("Input.dispatchKeyEvent", type=key, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        assert await page.run("document.activeElement.className") == "skip"
        assert await page.run("document.activeElement.getBoundingClientRect().left >= 0")
        assert await page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
