"""One request to an endpoint. The IP address that was checked is the one that is connected to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from service.domain.events import Answer
from service.runtime import Networks, may_connect, parse_ip, receiver_problem

TIMEOUT_S: Final = 15.0  # Standard Webhooks recommends 15 to 30 s
CONNECT_TIMEOUT_S: Final = 5.0
MAX_RETRY_AFTER: Final = 6  # digits
USER_AGENT: Final = "haravan-tagger"


class AddressRefused(OSError):
    """The name of the endpoint resolves to an address that must not be called."""


class GuardedResolver(AbstractResolver):
    """Resolves a name and refuses it if any of its addresses may not be called.

    aiohttp connects to the addresses that this returns and resolves nothing a second time, so a name server that answers
    differently the next time gains nothing.
    """

    def __init__(
        self, allowed: Networks, *, is_encrypted: bool, resolver: AbstractResolver | None = None
    ) -> None:
        self._allowed = allowed
        self._is_encrypted = is_encrypted
        self._resolver = resolver or aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises AddressRefused, and OSError if it has none."""
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            ip = parse_ip(result["host"])
            if ip is None or not may_connect(ip, allowed=self._allowed, is_encrypted=self._is_encrypted):
                raise AddressRefused("its name resolves to an address of a private network")
        return found

    async def close(self) -> None:
        """Close the resolver."""
        await self._resolver.close()


class EventSender:
    """Sends requests. Follows no redirect, uses no proxy, keeps no cookie, and reads no body."""

    def __init__(self, sessions: Mapping[str, aiohttp.ClientSession], allowed: Networks) -> None:
        self._sessions = sessions  # by scheme
        self._allowed = allowed

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Post the body. What went wrong is in the answer; nothing is raised."""
        if problem := receiver_problem(url, allowed=self._allowed):
            return Answer(None, str(problem))
        try:
            async with self._sessions[urlsplit(url).scheme].post(
                url, data=body, headers={**headers, "user-agent": USER_AGENT}, allow_redirects=False
            ) as response:
                return Answer(response.status, f"HTTP {response.status}", _retry_after_s(response))
        except TimeoutError:
            return Answer(None, f"no answer within {TIMEOUT_S:.0f} s")
        except aiohttp.ClientConnectorDNSError as exc:
            refused = isinstance(exc.os_error, AddressRefused)
            return Answer(None, str(exc.os_error) if refused else "its name does not resolve")
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            return Answer(None, f"no connection ({type(exc).__name__})")


@asynccontextmanager
async def open_sender(
    allowed: Networks, *, resolver: AbstractResolver | None = None
) -> AsyncIterator[EventSender]:
    """A sender for these private networks. Closed at the end."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
    sessions = {
        scheme: aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=GuardedResolver(allowed, is_encrypted=scheme == "https", resolver=resolver),
                use_dns_cache=False,
                force_close=True,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=timeout,
            auto_decompress=False,
        )
        for scheme in ("https", "http")
    }
    try:
        yield EventSender(sessions, allowed)
    finally:
        await asyncio.gather(*(session.close() for session in sessions.values()))


def _retry_after_s(response: aiohttp.ClientResponse) -> int:
    """The seconds of Retry-After; 0 without it, or if it is a date."""
    text = response.headers.get("Retry-After", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_RETRY_AFTER else 0
