"""Outbound HTTP: named hosts, https, resolved once and pinned, no redirects, every call with a deadline.

Against: a reference or a configuration that points our credentials at somebody else's host, at the metadata server or into
the network (SSRF); DNS that answers differently the second time (rebinding); a redirect that leads away from the list; a
peer that sends a byte now and then, and is never done.

    request ─► scheme and host on the list? ─► resolve once ─► every address public? ─► connect to that address

The name stays in Host and in the TLS handshake, so the certificate is checked against it. Google's own clients speak gRPC
and do not pass here: the wall for them is the network's egress setting.
"""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx

from shared.connections import Answer, Connections, Place
from shared.deadlines import Deadlines
from shared.errors import Code, Problem

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST = ipaddress.ip_network("2000::/3")  # all of IPv6 that IANA gives out for the public network
CONNECTIONS = 20  # requests under way at once
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Client(httpx.AsyncClient):
    """httpx's client without what we never want: cookies kept from one answer to the next, redirects, hooks, others' auth."""

    def __init__(self, way: httpx.AsyncBaseTransport, timeout: float) -> None:
        super().__init__(transport=way, timeout=timeout, follow_redirects=False, trust_env=False)
        self._way = way

    def build_request(
        self,
        method: str,
        url: httpx.URL | str,
        *,
        timeout: Any = httpx.USE_CLIENT_DEFAULT,
        extensions: Any = None,
        cookies: Any = None,
        **given: Any,
    ) -> httpx.Request:
        """The request as it is asked for; httpx would merge its own headers, a base URL and cookies into each."""
        extensions = dict(extensions or {})
        if timeout is not httpx.USE_CLIENT_DEFAULT:
            extensions["timeout"] = httpx.Timeout(timeout).as_dict()
        return httpx.Request(method, url, extensions=extensions, **given)

    async def send(self, request: httpx.Request, *, stream: bool = False, **_: Any) -> httpx.Response:
        """One request, one answer; read to its end, unless it is to be streamed. Raises httpx.HTTPError, Problem."""
        response = await self._way.handle_async_request(request)
        response.request = request
        try:
            if not stream:
                await response.aread()
        except BaseException:
            await response.aclose()
            raise
        return response


type Resolve = Callable[[str, int], Awaitable[list[str]]]


async def _resolve(host: str, port: int) -> list[str]:
    """Every address of a name, as the system knows them. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


def client(hosts: Collection[str], *, timeout: float, local: bool, resolve: Resolve = _resolve) -> Client:
    """A client for these hosts (`name`, or `name:port` for another port than 443) and no others.

    `local` allows plain http, on any port, and only to loopback.

    `timeout` is in seconds, for a whole call from the name's look-up to the body's end. A request may ask for less.
    """
    return Client(_AllowListed(frozenset(host.lower() for host in hosts), resolve, timeout, local=local), timeout)


def host_of(url: str, *, local: bool) -> str:
    """The entry of the list that a configured URL stands for. On one machine ports are what the system gives."""
    parts = urlsplit(url)
    return parts.hostname or "" if local or parts.port in (None, 443) else f"{parts.hostname}:{parts.port}"


class _AllowListed(httpx.AsyncBaseTransport):
    def __init__(self, hosts: frozenset[str], resolve: Resolve, timeout: float, *, local: bool) -> None:
        self._hosts, self._timeout, self._local = hosts, timeout, local
        self._connections = Connections(_pinned(resolve, local=local), most=CONNECTIONS)
        self._deadlines = cache(Deadlines)  # one for each time that is asked for: of ours there are two or three

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        plain = url.scheme == "http" and self._local and url.host in _LOOPBACK_NAMES
        port = "" if url.port is None or plain else f":{url.port}"
        if f"{url.host}{port}" not in self._hosts or not (url.scheme == "https" or plain):
            raise Problem(Code.EGRESS_DENIED, "host")
        place = Place(url.raw_host.decode("ascii"), url.port or (80 if plain else 443), not plain)
        seconds = self._seconds(request)
        until = asyncio.get_running_loop().time() + seconds
        content = await request.aread()
        try:
            with self._deadlines(seconds).one():
                answer = await self._connections.send(
                    place, request.method.encode("ascii"), url.raw_path, request.headers.raw, content
                )
        except TimeoutError:
            raise httpx.TimeoutException("timeout", request=request) from None
        except ValueError:
            raise httpx.LocalProtocolError("not a header", request=request) from None
        except OSError:  # a certificate that does not fit is one, too
            raise httpx.TransportError("no connection", request=request) from None
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer, until))

    def _seconds(self, request: httpx.Request) -> float:
        """The time of a call: httpx's timeouts are for each step, and a call may have any number of steps."""
        asked = [step for step in request.extensions.get("timeout", {}).values() if step is not None]
        return min(self._timeout, max(asked, default=self._timeout))

    async def aclose(self) -> None:
        await self._connections.aclose()


class _Body(httpx.AsyncByteStream):
    """An answer's body until its deadline, its failures told in httpx's words and without the peer's."""

    def __init__(self, answer: Answer, until: float) -> None:
        self._answer, self._until = answer, until

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while (part := await self._answer.part(self._until)) is not None:
                yield part
        except TimeoutError:
            raise httpx.ReadTimeout("timeout") from None
        except OSError:
            raise httpx.ReadError("connection lost") from None

    async def aclose(self) -> None:
        await self._answer.close()


def _pinned(resolve: Resolve, *, local: bool) -> Callable[[str, int], Awaitable[str]]:
    """The address of a name for one connection: all that the name has were checked, and it is not looked up again."""

    async def address(host: str, port: int) -> str:
        addresses = await resolve(host, port)
        if not addresses or not all(allowed(one, local=local) for one in addresses):
            raise Problem(Code.EGRESS_DENIED, "address")
        return addresses[0]

    return address


def allowed(text: str, *, local: bool) -> bool:
    """Whether an address may be connected to: public, in every notation of it; or loopback, on one machine."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped
        if address in _NAT64:  # how an IPv6-only network shows an IPv4 host
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return allowed(str(inner), local=False)
        if not address.is_loopback and (address not in _UNICAST or address.sixtofour or address.teredo):
            return False
    if address.is_loopback:
        return local
    return address.is_global and not address.is_multicast
