"""The gate before every endpoint: who asks, may they, is there room, and what shall go wrong this time."""

from __future__ import annotations

import asyncio
import inspect
import math
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from . import omni
from .answers import Answer, Ask, answer, html, refusal
from .calls import Call, Moment
from .endpoints import Endpoint, Unknown
from .faults import Fault
from .intake import Dialect, Invalid
from .shop import Shop
from .wire import drop, hang, respond

if TYPE_CHECKING:
    from .box import Sandbox


class Dropped(Exception):
    """The caller gets no answer."""


class Gate:
    """One endpoint in one dialect, as an ASGI application."""

    def __init__(self, sandbox: Sandbox, endpoint: Endpoint, dialect: Dialect) -> None:
        self._sandbox = sandbox
        self._endpoint = endpoint
        self._dialect = dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        shop = self._sandbox.shop_of(request)
        try:
            call = await self._called(request)
        except ClientDisconnect:
            return None
        calls = self._sandbox.unauthorized if shop is None else shop.calls
        try:
            result = refusal("Unauthorized", 401) if shop is None else await self._decide(shop, call, request)
        except Dropped:
            call.status = 0
            calls.note(call)
            return await drop(scope, receive)
        call.status = result.status
        calls.note(call)
        return await respond(result, send, self._fill(shop, result))

    def _fill(self, shop: Shop | None, result: Answer) -> dict[str, str]:
        """The header that says how full the bucket is; a proxy's HTML page knows nothing of it."""
        if shop is None or not self._endpoint.metered or result.media_type == "text/html":
            return {}
        return {"X-Haravan-Api-Call-Limit": shop.bucket.header(shop.clock())}

    async def _called(self, request: Request) -> Call:
        params = dict(request.query_params)
        customer_id = request.path_params.get("id")
        named = (customer_id,) if customer_id is not None else _ids(params.get("ids", ""))
        return Call(
            endpoint=self._endpoint.name,
            dialect=self._dialect,
            method=request.method,
            path=request.url.path,
            query=params,
            customers=named,
            body=await request.body(),
            at=self._sandbox.clock(),
        )

    async def _decide(self, shop: Shop, call: Call, request: Request) -> Answer:
        if self._endpoint.scope not in shop.scopes:
            return Answer(403, b"{}")
        wait_s = shop.bucket.take(shop.clock()) if self._endpoint.metered else None
        if wait_s is not None:
            return _throttled(wait_s)
        await _pause(shop.faults.latency_s / 2)
        fault = shop.faults.draw(call)
        if fault is not None and not fault.effect:
            return await _strike(shop, fault, request)
        before = shop.store.get(call.customer or 0)
        result = await self._perform(shop, call, cookies="cookie" in request.headers)
        await _pause(shop.faults.latency_s / 2)
        if fault is None:
            return result
        if fault.kind == "disagree":
            return answer({"tags": omni.tags(before.tags)}) if before and result.status == 200 else result
        return await _strike(shop, fault, request)

    async def _perform(self, shop: Shop, call: Call, *, cookies: bool) -> Answer:
        await _set_off(shop, call, "before")
        ask = Ask(
            shop,
            self._dialect,
            call.query,
            call.customer if "{id" in self._endpoint.path else None,
            call.body,
            cookies,
        )
        try:
            acted = self._endpoint.act(ask)
            result = acted if isinstance(acted, Answer) else await acted
        except Unknown:
            result = refusal("Not Found", 404)
        except Invalid as invalid:
            result = refusal(invalid.errors, invalid.status)
        await _set_off(shop, call, "after")
        return result


def _throttled(wait_s: float) -> Answer:
    retry_after = f"{math.ceil(round(wait_s * 10, 4)) / 10:.1f}"
    return refusal("Too Many Requests", 429, Retry_After=retry_after)


async def _strike(shop: Shop, fault: Fault, request: Request) -> Answer:
    if fault.kind == "throttle":
        return _throttled(shop.bucket.block(shop.clock(), fault.seconds))
    if fault.kind == "timeout":
        await hang(request, fault.seconds)
        raise Dropped
    if fault.kind == "lose":
        raise Dropped
    if fault.body is not None:
        return Answer(fault.status, fault.body)
    reason = HTTPStatus(fault.status).phrase
    return html(fault.status, reason) if fault.html else refusal(reason, fault.status)


async def _set_off(shop: Shop, call: Call, moment: Moment) -> None:
    for hook in shop.hooks.due(call, moment):
        done = hook.then()
        if inspect.isawaitable(done):
            await done


async def _pause(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)


def _ids(text: str) -> tuple[int, ...]:
    return tuple(int(one) for one in text.split(",") if one.strip().isdigit())
