"""The API client: executes the calls of one shop, and paces, sends and settles each request."""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from collections.abc import Callable
from typing import Final, Self, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from redis.exceptions import RedisError
from yarl import URL

from service.domain.customers import OrgId
from service.errors import ApiUnavailable, ResponseTooLarge, TaggerError, TokenRejected
from service.runtime import BackgroundTasks, span
from service.sentence import Sentence
from service.store.jobs import Counters
from service.store.queue import Permit
from service.store.shops import Shop
from workers.haravan.calls import Call, Request, Response
from workers.haravan.dialects import DialectName, make_dialect
from workers.haravan.rate_limit import Permits, RateLimitHeaders, parse_rate_limit

T = TypeVar("T")
OnRequest = Callable[[str, int | None, float], None]
"""Called after each request with the endpoint, the status (None without a response) and the seconds."""

CALL_TIMEOUT_S: Final = 8.0  # leases and permits live 15 s: a request must end well before
MAX_CONNECTIONS: Final = 100
MAX_RESPONSE_BYTES: Final = 8 * 2**20  # after decompression; 50 large records have less than one
GZIP_WBITS: Final = 31  # zlib's number for gzip with its largest window
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
_settlements: Final = BackgroundTasks()


class Haravan:
    """The API of one shop. `dialect` makes the calls: `await api.perform(api.dialect.get(customer), permits)`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        org: OrgId,
        dialect: DialectName,
        address: str,
        token: str,
        call_timeout_s: float = CALL_TIMEOUT_S,
        on_request: OnRequest | None = None,
    ) -> None:
        self.org = org
        self.dialect = make_dialect(dialect)
        self._session = session
        self._address = address.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._timeout = aiohttp.ClientTimeout(total=call_timeout_s)
        self._on_request = on_request

    @classmethod
    def for_shop(
        cls, shop: Shop, session: aiohttp.ClientSession, *, on_request: OnRequest | None = None
    ) -> Self:
        """The API of a stored shop."""
        return cls(
            session,
            org=shop.org,
            dialect=shop.dialect,
            address=shop.api_url,
            token=shop.token,
            on_request=on_request,
        )

    async def perform(self, call: Call[T], permits: Permits) -> T:
        """Execute a call, request by request, and return its value.

        Raises the errors of errors.py, ApiUnavailable without a response, and RateLimitExceeded if `permits` does.
        Every permit is settled, also if the response is lost or the task is cancelled.
        """
        try:
            request = next(call)
            while True:
                request = call.send(await self._paced(request, permits))
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            call.close()

    async def _paced(self, request: Request, permits: Permits) -> Response:
        permit = await permits.acquire(request)
        try:
            response = await self._timed(request)
        except BaseException:
            # If settling fails, the permit expires by itself; the original error matters more.
            with contextlib.suppress(RedisError, OSError, TaggerError):
                await _settle(permits, permit, status=None, limits=RateLimitHeaders())
            raise
        await _settle(permits, permit, status=response.status, limits=parse_rate_limit(response))
        return response

    async def _timed(self, request: Request) -> Response:
        status: int | None = None
        started = time.perf_counter()
        try:
            with span(request.endpoint, {"http.request.method": request.method}, kind="client") as current:
                response = await send(
                    self._session,
                    request,
                    address=self._address,
                    headers=self._headers,
                    timeout=self._timeout,
                )
                status = response.status
                current.set_attribute("http.response.status_code", status)
            return response
        finally:
            if self._on_request is not None:
                self._on_request(request.endpoint, status, time.perf_counter() - started)


def count_requests(counters: Counters) -> OnRequest:
    """Count the requests of an API in the metrics."""

    def count(endpoint: str, status: int | None, seconds: float) -> None:
        counters.add("api_requests", endpoint=endpoint, status=str(status or "none"))
        counters.observe("api_request_seconds", seconds, endpoint=endpoint)

    return count


def open_session(*, max_connections: int = MAX_CONNECTIONS) -> aiohttp.ClientSession:
    """An HTTP session for all shops of a process. Needs a running event loop; the caller closes it.

    It keeps no cookies: Haravan answers a POST with cookies with a 200 and does nothing.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=max_connections, ttl_dns_cache=300, keepalive_timeout=15),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "haravan-tagger", "Accept": "application/json", "Accept-Encoding": "gzip"},
        middlewares=(_send_once,),
        trust_env=False,  # a .netrc would replace our Authorization
        auto_decompress=False,  # `read_body` does it, and stops in time
    )


async def _send_once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Prevent aiohttp from retrying a GET, PUT or DELETE by itself: the retry would have no permit."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
        raise aiohttp.ClientConnectionError(type(exc).__name__) from exc


async def read_body(request: Request, response: ClientResponse) -> bytes:
    """The decompressed body. Raises ResponseTooLarge as soon as it exceeds `MAX_RESPONSE_BYTES`.

    A few hundred kilobytes of gzip may hold hundreds of megabytes: no more than the limit is ever decompressed. Raises
    ApiUnavailable for an encoding that we did not ask for, or broken gzip.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("gzip", "x-gzip", "identity", ""):
        raise ApiUnavailable(
            Sentence(
                "{endpoint} answered with an encoding that we did not ask for", endpoint=request.endpoint
            )
        )
    inflate = zlib.decompressobj(wbits=GZIP_WBITS) if encoding.endswith("gzip") else None
    body = bytearray()
    try:
        async for chunk in response.content.iter_any():
            room = MAX_RESPONSE_BYTES - len(body)
            body += chunk if inflate is None else inflate.decompress(chunk, room + 1)
            if len(body) > MAX_RESPONSE_BYTES:
                raise ResponseTooLarge(
                    Sentence(
                        "{endpoint} answered more than {mib} MiB",
                        endpoint=request.endpoint,
                        mib=MAX_RESPONSE_BYTES // 2**20,
                    ),
                    status=response.status,
                )
    except zlib.error:
        raise ApiUnavailable(
            Sentence("{endpoint} answered with broken gzip", endpoint=request.endpoint)
        ) from None
    if inflate is not None and body and not inflate.eof:
        raise ApiUnavailable(
            Sentence("{endpoint} answered with gzip that ends too early", endpoint=request.endpoint)
        )
    return bytes(body)


async def send(
    session: aiohttp.ClientSession,
    request: Request,
    *,
    address: str,
    headers: dict[str, str],
    timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # aiohttp's own timeout, which also closes the connection
) -> Response:
    """Send one request and read the complete response. Raises ApiUnavailable if there is none.

    Raises TokenRejected for a token that no header can carry, for example one with a line break.
    """
    query = f"?{urlencode(request.query)}" if request.query else ""
    body = None if request.json is None else _encode(request.json)
    try:
        async with session.request(
            request.method,
            URL(f"{address}{request.path}{query}", encoded=True),
            data=body,
            headers=headers if body is None else {**headers, "Content-Type": "application/json"},
            allow_redirects=False,  # a redirect must not receive the token
            timeout=timeout,
        ) as response:
            return Response(response.status, response.headers, await read_body(request, response))
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        # `from None`: aiohttp's errors may contain headers and URL, hence the token or a search for a name
        raise ApiUnavailable(
            Sentence("{endpoint} got no answer ({error})", endpoint=request.endpoint, error=_error_name(exc))
        ) from None
    except ValueError:
        raise TokenRejected(
            Sentence("{endpoint} was not sent: no header can carry such a token", endpoint=request.endpoint)
        ) from None


def _error_name(exc: BaseException) -> str:
    """The name of the original error, such as `ServerDisconnectedError`, not of its wrapper."""
    return type(exc.__cause__ or exc).__name__


async def _settle(permits: Permits, permit: Permit, *, status: int | None, limits: RateLimitHeaders) -> None:
    """Settle a permit even if this task is cancelled: an unsettled request counts as in flight for 15 s."""
    task = _settlements.start(
        permits.settle(
            permit, status=status, used=limits.used, size=limits.size, retry_after_s=limits.retry_after_s
        )
    )
    task.add_done_callback(_retrieve_exception)
    await asyncio.shield(task)


def _retrieve_exception(task: asyncio.Task[None]) -> None:
    """Prevent asyncio's "never retrieved" error if the caller was cancelled: the permit expires by itself."""
    if not task.cancelled():
        task.exception()
