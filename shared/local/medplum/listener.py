"""An ASGI application on a port of 127.0.0.1, in the running event loop and without touching the process's signals."""

import asyncio
import socket
from typing import Any

import uvicorn


class Listener:
    """`port` is known from the start, before anybody is listening."""

    def __init__(self, port: int = 0) -> None:
        # The protocol is named because only then asyncio sets TCP_NODELAY: without it answers wait 40 ms for an ACK.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self._server: uvicorn.Server | None = None
        self._ticks: asyncio.Task[None] | None = None

    async def start(self, app: Any) -> None:
        """Listen."""
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            interface="asgi3",
            proxy_headers=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
            server_header=False,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[self._socket])
        self._server = server
        self._ticks = asyncio.create_task(server.main_loop())

    async def stop(self) -> None:
        """Stop listening; requests under way get a second to end."""
        server, ticks, self._server = self._server, self._ticks, None
        if server is None or ticks is None:
            self._socket.close()
            return
        ticks.cancel()
        await asyncio.gather(ticks, return_exceptions=True)
        await server.shutdown(sockets=[self._socket])
