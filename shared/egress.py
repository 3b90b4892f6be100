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
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx

from shared.connections import Answer, Connections
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
    """Every address of a name, as the system knows them."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise httpcore.ConnectError("name not resolved") from None
    return [str(sockaddr[0]) for *_, sockaddr in found]


def client(hosts: Collection[str], *, timeout: float, local: bool, resolve: Resolve = _resolve) -> Client:
    """A client for these hosts (`name`, or `name:port` for another port than 443) and no others.

    `local` allows plain http, on any port, and only to loopback.

    `timeout` is in seconds, for a whole call from the name's look-up to the body's end. A request may ask for less.
    """
    backend = _Pinned(resolve, local=local)
    return Client(_AllowListed(frozenset(host.lower() for host in hosts), backend, timeout, local=local), timeout)


def host_of(url: str, *, local: bool) -> str:
    """The entry of the list that a configured URL stands for. On one machine ports are what the system gives."""
    parts = urlsplit(url)
    return parts.hostname or "" if local or parts.port in (None, 443) else f"{parts.hostname}:{parts.port}"


class _AllowListed(httpx.AsyncBaseTransport):
    def __init__(
        self, hosts: frozenset[str], backend: httpcore.AsyncNetworkBackend, timeout: float, *, local: bool
    ) -> None:
        self._hosts, self._timeout, self._local = hosts, timeout, local
        self._connections = Connections(backend, most=CONNECTIONS)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        plain = url.scheme == "http" and self._local and url.host in _LOOPBACK_NAMES
        port = "" if url.port is None or plain else f":{url.port}"
        if f"{url.host}{port}" not in self._hosts or not (url.scheme == "https" or plain):
            raise Problem(Code.EGRESS_DENIED, "host")
        assert isinstance(request.stream, httpx.AsyncByteStream)
        until = asyncio.get_running_loop().time() + self._seconds(request)
        try:
            async with asyncio.timeout_at(until):
                answer = await self._connections.send(
                    httpcore.Request(
                        method=request.method,
                        url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                        headers=request.headers.raw,
                        content=request.stream,
                        extensions=request.extensions,
                    )
                )
        except (TimeoutError, httpcore.TimeoutException):
            raise httpx.TimeoutException("timeout", request=request) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol):
            raise httpx.TransportError("no connection", request=request) from None
        body = _Body(answer, until)
        return httpx.Response(answer.status, headers=answer.headers, stream=body, extensions=answer.extensions)

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
        parts = self._answer.parts()
        try:
            while True:
                async with asyncio.timeout_at(self._until):
                    part = await anext(parts, None)
                if part is None:
                    return
                yield part
        except (TimeoutError, httpcore.TimeoutException):
            raise httpx.ReadTimeout("timeout") from None
        except (httpcore.NetworkError, httpcore.ProtocolError):
            raise httpx.ReadError("connection lost") from None

    async def aclose(self) -> None:
        await self._answer.close()


class _Pinned(httpcore.AsyncNetworkBackend):
    """Resolves a name once for each connection, and connects to an address that was checked."""

    def __init__(self, resolve: Resolve, *, local: bool) -> None:
        self._resolve, self._local = resolve, local
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._resolve(host, port)
        if not addresses or not all(allowed(address, local=self._local) for address in addresses):
            raise Problem(Code.EGRESS_DENIED, "address")
        return await self._inner.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    async def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Any = None) -> Any:
        raise Problem(Code.EGRESS_DENIED, "socket")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


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
