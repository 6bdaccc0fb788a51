"""The HTTP session that all shops of a process share, and how one request goes over it."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

import aiohttp
import msgspec
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from yarl import URL

from service.errors import Unauthorised, Unavailable
from workers.haravan.requests import Request, Response

CONNECTIONS: Final = 100
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def open_session(*, connections: int = CONNECTIONS) -> aiohttp.ClientSession:
    """A session for many shops; the caller closes it. Opens no connection yet, needs a running loop.

    It keeps no cookies: Haravan answers a POST that carries some with a 200 and does nothing.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, ttl_dns_cache=300, keepalive_timeout=15),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "haravan-tagger", "Accept": "application/json"},
        middlewares=(_sent_once,),
        trust_env=False,  # a .netrc would replace our Authorization
        auto_decompress=True,
    )


async def _sent_once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keep aiohttp from sending a lost GET, PUT or DELETE again by itself: no permit was given for that one."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
        raise aiohttp.ClientConnectionError(type(exc).__name__) from exc


async def exchange(
    session: aiohttp.ClientSession,
    request: Request,
    *,
    address: str,
    headers: dict[str, str],
    timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # aiohttp's own, which also closes the connection
) -> Response:
    """Send one request and read its whole answer; Unavailable when there is none, for whatever reason.

    A token with a line break is Unauthorised: nothing was sent, and only another token will mend it.
    """
    query = f"?{urlencode(request.query)}" if request.query else ""
    body = None if request.json is None else _encode(request.json)
    try:
        async with session.request(
            request.method,
            URL(f"{address}{request.path}{query}", encoded=True),
            data=body,
            headers=headers if body is None else {**headers, "Content-Type": "application/json"},
            allow_redirects=False,  # the token must not travel to wherever a redirection points
            timeout=timeout,
        ) as answer:
            return Response(answer.status, answer.headers, await answer.read())
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        # aiohttp's errors may carry the request's headers and address, and so a token or a name searched for
        raise Unavailable(f"{request.endpoint} got no answer ({_named(exc)})") from None
    except ValueError:
        raise Unauthorised(f"{request.endpoint} was not sent: no header can carry such a token") from None


def _named(exc: BaseException) -> str:
    """What happened, by its name: `ServerDisconnectedError` rather than what it was wrapped in."""
    return type(exc.__cause__ or exc).__name__
