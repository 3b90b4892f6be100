"""A headless Chromium, spoken to in the DevTools protocol over two pipes: no driver, no port, no further package.

3 ◄─ what we ask, 4 ─► what it answers and what happens: JSON, each ended by a NUL byte
"""

import asyncio
import base64
import fcntl
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

AXE = Path(__file__).resolve().parents[3] / ".peers" / "console" / "node_modules" / "axe-core" / "axe.min.js"
_LONGEST = 100 * 1024 * 1024  # bytes of an answer: a picture
_PATIENCE = 20.0


def chromium() -> str | None:
    """The program, if this machine has it."""
    return shutil.which("chromium") or shutil.which("google-chrome")


@dataclass(slots=True)
class Seen:
    """What came of opening a page."""

    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  # errors and warnings of the console
    bytes: int = 0


@dataclass(slots=True)
class Page:
    """One tab. `seen` is of the newest page."""

    browser: "Browser"
    session: str
    seen: Seen = field(default_factory=Seen)

    async def open(self, url: str) -> Seen:
        """Go there; return when it has loaded."""
        self.seen = Seen()
        loaded = self.browser.wait("Page.loadEventFired", self.session)
        await self.call("Page.navigate", url=url)
        await asyncio.wait_for(loaded, _PATIENCE)
        return self.seen

    async def run(self, script: str) -> Any:
        """What a script answers; promises are waited for."""
        answer = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    async def click(self, selector: str) -> None:
        """As a person does: the page that comes of it has loaded."""
        self.seen = Seen()
        loaded = self.browser.wait("Page.loadEventFired", self.session)
        await self.run(f"document.querySelector({json.dumps(selector)}).click()")
        await asyncio.wait_for(loaded, _PATIENCE)

    async def look(self, *, width: int, dark: bool) -> None:
        """The width of the window, and the scheme that the reader prefers."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def picture(self) -> bytes:
        """The whole page as PNG."""
        answer = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        return await self.browser.call(method, self.session, **params)


@dataclass(slots=True)
class Browser:
    """`_waiting`: by number of a call, or by (event, session)."""

    _write: int
    _number: int = 0
    _waiting: dict[object, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    _pages: dict[str, Page] = field(default_factory=dict)

    async def page(self) -> Page:
        """A new tab, which tells all that it asks for and all that it complains of."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = self._pages[attached["sessionId"]] = Page(self, attached["sessionId"])
        for domain in ("Page", "Runtime", "Network", "Log"):
            await page.call(f"{domain}.enable")
        return page

    async def call(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        self._number += 1
        asked: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        answer = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        os.write(self._write, json.dumps(asked | ({"sessionId": session} if session else {})).encode() + b"\0")
        return await asyncio.wait_for(answer, _PATIENCE)

    def wait(self, event: str, session: str) -> asyncio.Future[dict[str, Any]]:
        return self._waiting.setdefault((event, session), asyncio.get_running_loop().create_future())

    async def listen(self, stream: asyncio.StreamReader) -> None:
        while True:
            try:
                told = json.loads((await stream.readuntil(b"\0"))[:-1])
            except asyncio.IncompleteReadError:
                return
            key: object = told.get("id") or (told["method"], told.get("sessionId", ""))
            if (waiting := self._waiting.pop(key, None)) is not None and not waiting.done():
                if "error" in told:
                    waiting.set_exception(AssertionError(told["error"]))
                else:
                    waiting.set_result(told.get("result") or told.get("params") or {})
            if "method" in told and (page := self._pages.get(told.get("sessionId", ""))):
                _note(page.seen, told["method"], told["params"])


def _note(seen: Seen, event: str, params: dict[str, Any]) -> None:
    match event:
        case "Network.requestWillBeSent":
            seen.requests.append(params["request"]["url"])
        case "Network.loadingFinished":
            seen.bytes += int(params["encodedDataLength"])
        case "Log.entryAdded":
            seen.said.append(params["entry"]["text"])
        case "Runtime.exceptionThrown":
            seen.said.append(params["exceptionDetails"]["text"])
        case "Runtime.consoleAPICalled":
            seen.said.append(str(params["args"]))


@asynccontextmanager
async def browsing(folder: Path) -> AsyncIterator[Browser]:
    """A browser that knows nobody, and nothing after it. `folder` takes what it writes down."""
    program = chromium()
    assert program
    down_read, down_write = os.pipe()
    up_read, up_write = os.pipe()

    def wire() -> None:
        """In the child, before it becomes the browser: the pipes' ends get the numbers that it looks for."""
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (down_read, up_write)]
        for end, number in zip(ends, (3, 4), strict=True):
            os.dup2(end, number)

    flags = (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--no-first-run",
    )
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions")
    command = [program, *flags, *quiet, "--remote-debugging-pipe", f"--user-data-dir={folder}"]
    process = subprocess.Popen(  # noqa: ASYNC220
        command,
        preexec_fn=wire,
        pass_fds=(3, 4),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(down_read)
    os.close(up_write)
    stream = asyncio.StreamReader(limit=_LONGEST)
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(up_read, "rb"))
    browser = Browser(down_write)
    listening = asyncio.create_task(browser.listen(stream))
    try:
        yield browser
    finally:
        os.close(down_write)
        os.killpg(process.pid, signal.SIGKILL)
        await asyncio.to_thread(process.wait)
        listening.cancel()
        pipe.close()
