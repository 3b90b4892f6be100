"""Calls that our own credentials could be talked into: other hosts, other spellings of the inside, names that change (SSRF)."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Sequence
from unittest.mock import patch

import httpx

from shared import egress
from shared.errors import Code, Problem
from tests.attacks.target import Attack, Family, Target

_HOST = "api.medplum.example"
_PUBLIC = "8.8.8.8"


def denied(url: str, *addresses: str, local: bool = False) -> Attack:
    """A call that is refused, before a byte is sent. `addresses`: what the name resolves to, the first time and so on."""

    async def attack(_: Target) -> list[str]:
        async def resolve(host: str, port: int) -> list[str]:
            return list(addresses)  # none is a name that may be looked up: then nothing is good enough to be dialled

        hosts = {_HOST, "127.0.0.1"} if local else {_HOST}
        async with egress.client(hosts, timeout=5, local=local, resolve=resolve) as http:
            try:
                await http.get(url, headers={"authorization": "Bearer Canaryfamily"})
            except Problem as problem:
                if problem.code is not Code.EGRESS_DENIED or _HOST in str(problem):
                    return [f"ended as {problem}"]
                return []
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                return [] if type(error) in (httpx.InvalidURL, httpx.UnsupportedProtocol) else [type(error).__name__]
            return ["it was answered"]

    return attack


def inside(*addresses: str) -> Attack:
    return denied(f"https://{_HOST}/fhir/R4/Patient/1", *addresses)


async def _listening(answer: bytes, call: Callable[[int, list[bytes]], Awaitable[list[str]]]) -> list[str]:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(1000))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        return await call(server.sockets[0].getsockname()[1], asked)
    finally:
        server.close()
        await server.wait_closed()


def redirected(location: str) -> Attack:
    """A redirect is an answer that we do not follow: the target is never asked."""
    head = f"HTTP/1.1 307 X\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    async def call(port: int, asked: list[bytes]) -> list[str]:
        async with egress.client({"127.0.0.1"}, timeout=5, local=True) as http:
            answer = await http.get(f"http://127.0.0.1:{port}/")
        return [] if (answer.status_code, len(asked)) == (307, 1) else ["it was followed"]

    async def attack(_: Target) -> list[str]:
        return await _listening(head.encode(), call)

    return attack


async def _proxied(_: Target) -> list[str]:
    """A proxy in the environment would see our bearer tokens: it is not asked."""

    async def call(port: int, asked: list[bytes]) -> list[str]:
        names = ("HTTPS_PROXY", "ALL_PROXY", "https_proxy")
        kept = {name: os.environ.get(name) for name in names}
        os.environ.update(dict.fromkeys(names, f"http://127.0.0.1:{port}"))
        try:
            found = await inside("10.0.0.1")(_)
        finally:
            for name, value in kept.items():
                if value is None:
                    os.environ.pop(name)
                else:
                    os.environ[name] = value
        return found or (["the proxy was asked"] if asked else [])

    return await _listening(b"HTTP/1.1 200 OK\r\n\r\n", call)


async def _rebinding(_: Target) -> list[str]:
    """A name that is public when it is checked, and ours a moment later: it is asked once for each connection."""
    answers: Sequence[str] = (_PUBLIC, "127.0.0.1")
    looked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        looked.append(answers[min(len(looked), 1)])
        return [looked[-1]]

    async with egress.client({_HOST}, timeout=5, local=False, resolve=resolve) as http:
        dialled: list[str] = []

        async def connect(_protocol: object, address: str, *_: object, **__: object) -> None:
            dialled.append(address)
            raise OSError

        with patch.object(asyncio.get_running_loop(), "create_connection", connect):
            for _n in range(2):
                with contextlib.suppress(OSError, Problem, httpx.HTTPError):
                    await http.get(f"https://{_HOST}/")
    return [] if dialled == [_PUBLIC] and len(looked) == 2 else [f"dialled {dialled}"]


ATTACKS: Family = {
    "the metadata server by its address": denied("http://169.254.169.254/computeMetadata/v1/"),
    "the metadata server by its name": denied("http://metadata.google.internal/computeMetadata/v1/"),
    "the metadata server as one number": denied("http://2852039166/"),
    "loopback in octal": denied("http://0177.0.0.1/"),
    "loopback in hexadecimal": denied("http://0x7f.1/"),
    "loopback as one number": denied("http://2130706433/"),
    "loopback, cut short": denied("http://127.1/"),
    "all of loopback": denied("http://0.0.0.0/"),
    "loopback in IPv6": denied("http://[::1]/"),
    "the metadata server mapped into IPv6": denied("http://[::ffff:169.254.169.254]/"),
    "our host's name as a user": denied(f"https://{_HOST}@evil.example/"),
    "our host's name as a user and password": denied(f"https://{_HOST}:443@evil.example/"),
    "our host's name in a fragment": denied(f"https://evil.example/#{_HOST}"),
    "our host's name with more behind it": denied(f"https://{_HOST}.evil.example/"),
    "our host's name with a dot behind it": denied(f"https://{_HOST}./"),
    "our host's name in other letters": denied("https://аpi.medplum.example/"),
    "our host at another port": denied(f"https://{_HOST}:22/", _PUBLIC),
    "our host at Redis' port": denied(f"https://{_HOST}:6379/", _PUBLIC),
    "our host without TLS": denied(f"http://{_HOST}/", _PUBLIC),
    "our host without TLS, on one machine": denied(f"http://{_HOST}/", _PUBLIC, local=True),
    "a file": denied("file:///etc/passwd"),
    "gopher": denied(f"gopher://{_HOST}/_Canaryfamily"),
    "an absolute URL where a reference should be": denied("https://evil.example/fhir/R4/Patient/1"),
    "a name that leads to loopback": inside("127.0.0.1"),
    "a name that leads to the metadata server": inside("169.254.169.254"),
    "a name that leads to a private network": inside("10.0.0.1"),
    "a name that leads to one good and one bad address": inside(_PUBLIC, "192.168.0.1"),
    "a name that leads to IPv6's own inside": inside("fd00::1"),
    "a name that leads to a mapped private address": inside("::ffff:10.0.0.1"),
    "a name that leads to the inside behind NAT64": inside("64:ff9b::a9fe:a9fe"),
    "a name that leads to a link-local address": inside("fe80::1%eth0"),
    "a name that leads nowhere": inside(),
    "a name that changes after it was checked": _rebinding,
    "a redirect to the metadata server": redirected("http://169.254.169.254/"),
    "a redirect to a file": redirected("file:///etc/passwd"),
    "a redirect to another port of the same host": redirected("http://127.0.0.1:1/"),
    "a proxy in the environment": _proxied,
}
