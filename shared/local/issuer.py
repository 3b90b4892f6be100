"""The token issuer of one machine: what accounts.google.com is for push tokens in the cloud.

Claims, header and lifetime are those of a production token, and so is the habit of sending one token with many pushes:
a receiver that takes a token for a nonce fails here too. The key lives as long as the process. In the cloud the service
refuses these tokens, for there it fetches Google's keys and no others.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ISSUER = "https://accounts.google.com"
LIFETIME = 3600
_REUSE = 300  # seconds for which the same token is given out again
_MAX_AGE = 3600


class Issuer:
    """`now` is in seconds since the epoch."""

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        self._kid = hashlib.sha1(str(public["n"]).encode(), usedforsecurity=False).hexdigest()
        self._jwk = {**public, "kid": self._kid, "use": "sig", "alg": "RS256"}
        self._tokens: dict[tuple[str, str], tuple[int, str]] = {}
        self._server: asyncio.Server | None = None

    def token(self, email: str, audience: str) -> str:
        """An identity token of a service account, made anew every few minutes."""
        now = int(self._now())
        made, token = self._tokens.get((email, audience), (0, ""))
        if not made <= now < made + _REUSE:
            token = self._sign(email, audience, now)
            self._tokens[email, audience] = now, token
        return token

    def jwks(self) -> dict[str, object]:
        """The public key, as a JWK set (RFC 7517)."""
        return {"keys": [self._jwk]}

    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Answer GET /certs with the key set; its URL."""
        self._server = await asyncio.start_server(self._answer, host, port)
        return f"http://{host}:{self._server.sockets[0].getsockname()[1]}/certs"

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _sign(self, email: str, audience: str, now: int) -> str:
        subject = str(10**20 + int.from_bytes(hashlib.sha256(email.encode()).digest()[:8]))
        claims = {
            "aud": audience,
            "azp": subject,
            "email": email,
            "email_verified": True,
            "exp": now + LIFETIME,
            "iat": now,
            "iss": ISSUER,
            "sub": subject,
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._kid})

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request for each connection: whoever asks keeps the answer for an hour."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            found = head.startswith(b"GET /certs ")
            body = json.dumps(self.jwks()).encode() if found else b"{}"
            writer.write(
                f"HTTP/1.1 {'200 OK' if found else '404 Not Found'}\r\n"
                "Content-Type: application/json\r\n"
                f"Cache-Control: public, max-age={_MAX_AGE}\r\n"
                f"Content-Length: {len(body)}\r\n"
                "Connection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # whoever it was has left, or did not speak HTTP
        finally:
            writer.close()
