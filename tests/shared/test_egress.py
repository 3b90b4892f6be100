"""Outbound HTTP goes to named hosts at public addresses, resolved once, and follows nobody anywhere."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from shared import egress
from shared.errors import Code, Problem

FORBIDDEN = {
    "loopback": "127.0.0.1",
    "a private network": "10.0.0.8",
    "another": "192.168.1.1",
    "a third": "172.16.5.4",
    "carrier-grade NAT": "100.64.0.1",
    "the metadata server": "169.254.169.254",
    "this host": "0.0.0.0",
    "multicast": "224.0.0.1",
    "broadcast": "255.255.255.255",
    "documentation": "192.0.2.1",
    "IPv6 loopback": "::1",
    "IPv6 link-local": "fe80::1%eth0",
    "IPv6 unique local": "fd00::1",
    "IPv6 multicast": "ff02::1",
    "a mapped loopback": "::ffff:127.0.0.1",
    "a mapped private address": "::ffff:10.0.0.8",
    "the metadata server behind NAT64": "64:ff9b::a9fe:a9fe",
    "a private address behind 6to4": "2002:0a00:0008::",
    "a public address behind 6to4": "2002:808:808::1",
    "a Teredo tunnel": "2001:0:4136:e378:8000:63bf:f7f7:f7f7",
    "an IPv4-compatible private address": "::10.0.0.8",
    "a translated private address": "::ffff:0:10.0.0.8",
    "a private address behind a network's own NAT64": "64:ff9b:1::a00:8",
    "IPv6 site-local": "fec0::1",
    "segment routing": "5f00::1",
    "what nobody was given yet": "4000::1",
    "unspecified": "::",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_an_address_inside_is_not_connected_to(what: str) -> None:
    assert not egress.allowed(FORBIDDEN[what], local=False)


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8"])
def test_a_public_address_is_connected_to(address: str) -> None:
    assert egress.allowed(address, local=False)


def test_loopback_is_for_one_machine_and_nothing_else_is() -> None:
    assert egress.allowed("127.0.0.1", local=True)
    assert egress.allowed("::1", local=True)
    assert not egress.allowed("10.0.0.8", local=True)
    assert not egress.allowed("::ffff:127.0.0.1", local=True)


@asynccontextmanager
async def site(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server on loopback that notes what it is asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()
        await server.wait_closed()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


async def test_a_listed_host_on_this_machine_is_reached_when_that_is_allowed() -> None:
    async with site(OK) as (url, asked), egress.client({"127.0.0.1"}, timeout=5, local=True) as http:
        assert (await http.get(url)).text == "ok"
        assert len(asked) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/",
        "https://127.0.0.1.nip.io/",
        "http://listed.example/",
        "http://[::ffff:127.0.0.1]/",
        "ftp://listed.example/",
        "https://listed.example@other.example/",
        "https://listed.example.other.example/",
    ],
)
async def test_what_is_not_on_the_list_is_denied_before_anything_is_sent(url: str) -> None:
    async with egress.client({"listed.example"}, timeout=5, local=True) as http:
        with pytest.raises(Problem) as raised:
            await http.get(url)
        assert raised.value.code is Code.EGRESS_DENIED
        assert "example" not in str(raised.value)


async def test_a_redirect_is_an_answer_and_not_a_way() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with site(moved) as (url, asked), egress.client({"127.0.0.1"}, timeout=5, local=True) as http:
        assert (await http.get(url)).status_code == 302
        assert len(asked) == 1


async def test_a_name_is_resolved_once_and_the_connection_goes_to_what_was_checked() -> None:
    """DNS that answers differently the second time is asked once."""
    answers = [["127.0.0.1"], ["169.254.169.254"]]

    async def resolve(host: str, port: int) -> list[str]:
        return answers.pop(0)

    async with site(OK) as (url, asked):
        port = url.rpartition(":")[2]
        client = egress.client({"localhost"}, timeout=5, local=True, resolve=resolve)
        async with client as http:
            assert (await http.get(f"http://localhost:{port}/")).text == "ok"
        assert b"localhost" in asked[0], "the name stays in Host"
        assert len(answers) == 1


async def test_a_name_with_one_bad_address_among_good_ones_is_denied() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["8.8.8.8", "10.0.0.8"]

    async with egress.client({"listed.example"}, timeout=5, local=False, resolve=resolve) as http:
        with pytest.raises(Problem) as raised:
            await http.get("https://listed.example/")
        assert (raised.value.code, raised.value.at) == (Code.EGRESS_DENIED, "address")


async def test_a_name_that_does_not_resolve_is_a_connection_that_failed() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise OSError("no")

    async with egress.client({"listed.example"}, timeout=5, local=False, resolve=resolve) as http:
        with pytest.raises(httpx.TransportError) as raised:
            await http.get("https://listed.example/")
        assert "listed" not in str(raised.value)


async def test_every_call_has_a_deadline() -> None:
    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3)
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with egress.client({"127.0.0.1"}, timeout=0.2, local=True) as http:
        with pytest.raises(httpx.TimeoutException):
            await http.get(url)
    server.close()


async def test_the_deadline_is_for_the_whole_call_and_not_for_each_part_of_it() -> None:
    """A peer that sends a byte now and then is never silent for long, and never done."""

    async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(30):
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.1)
        writer.close()

    server = await asyncio.start_server(drips, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with egress.client({"127.0.0.1"}, timeout=0.4, local=True) as http:
        for asked in ({}, {"timeout": None}, {"timeout": 60}, {"timeout": 0.4}):
            before = time.monotonic()
            with pytest.raises(httpx.TimeoutException):
                await http.request("GET", url, **asked)
            assert time.monotonic() - before < 2
    server.close()


async def test_a_name_service_that_does_not_answer_is_not_waited_for() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return ["8.8.8.8"]

    async with egress.client({"listed.example"}, timeout=0.2, local=False, resolve=resolve) as http:
        with pytest.raises(httpx.TimeoutException):
            await http.get("https://listed.example/")


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with site(OK) as (url, _), egress.client({"127.0.0.1"}, timeout=5, local=True) as http:
        assert (await http.get(url)).text == "ok"


async def test_a_connection_is_used_again_until_its_peer_closes_it() -> None:
    open_ones: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with egress.client({"127.0.0.1"}, timeout=5, local=True) as http:
        for _ in range(3):
            assert (await http.get(url)).text == "ok"
        assert len(open_ones) == 1
        open_ones[0].close()
        await open_ones[0].wait_closed()
        await asyncio.sleep(0.05)
        assert (await http.get(url)).text == "ok"
        assert len(open_ones) == 2
    server.close()


async def test_no_more_requests_are_under_way_than_there_is_room_for() -> None:
    under_way, most = 0, 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal under_way, most
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                under_way += 1
                most = max(most, under_way)
                await asyncio.sleep(0.02)
                under_way -= 1
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        writer.close()

    server = await asyncio.start_server(slow, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with egress.client({"127.0.0.1"}, timeout=10, local=True) as http:
        answers = await asyncio.gather(*(http.get(url) for _ in range(60)))
        assert [answer.text for answer in answers] == ["ok"] * 60
        assert most == egress.CONNECTIONS
    await asyncio.sleep(0.05)
    server.close()


async def test_a_call_that_is_given_up_makes_room_for_the_next() -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with egress.client({"127.0.0.1"}, timeout=0.05, local=True) as http:
        for _ in range(3 * egress.CONNECTIONS):
            with pytest.raises(httpx.TimeoutException):
                await http.get(url)
    server.close()
