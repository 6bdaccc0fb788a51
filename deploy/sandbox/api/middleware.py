"""What happens around every API endpoint: authentication, scopes, call limit, call log, hooks and faults."""

from __future__ import annotations

import asyncio
import inspect
import math
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from deploy.sandbox.api.endpoints import Endpoint
from deploy.sandbox.api.listing import positive_int
from deploy.sandbox.api.responses import (
    ApiRequest,
    ApiResponse,
    NoSuchRecord,
    drop_connection,
    error,
    hang,
    html_error,
    json_response,
    send_response,
)
from deploy.sandbox.call_log import Call, Moment
from deploy.sandbox.errors import ValidationError
from deploy.sandbox.faults import Fault
from deploy.sandbox.records import Dialect, omni
from deploy.sandbox.registry import ShopRegistry
from deploy.sandbox.shop import Shop

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class Dropped(Exception):
    """The caller gets no response."""


class ApiMiddleware:
    """One endpoint in one dialect, as an ASGI application."""

    def __init__(self, registry: ShopRegistry, endpoint: Endpoint, dialect: Dialect) -> None:
        self._registry = registry
        self._endpoint = endpoint
        self._dialect = dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        shop = self._registry.shop_of(request)
        try:
            call = await self._call_of(request)
        except ClientDisconnect:
            return None
        calls = self._registry.unauthorized if shop is None else shop.calls
        try:
            response = (
                error("Unauthorized", 401) if shop is None else await self._respond(shop, call, request)
            )
        except Dropped:
            call.status = 0
            calls.note(call)
            return await drop_connection(scope, receive)
        call.status = response.status
        calls.note(call)
        return await send_response(response, send, self._limit_header(shop, response))

    def _limit_header(self, shop: Shop | None, response: ApiResponse) -> dict[str, str]:
        """The header with the level of the bucket. A proxy's HTML page does not have it."""
        if shop is None or not self._endpoint.metered or response.media_type == "text/html":
            return {}
        return {"X-Haravan-Api-Call-Limit": shop.bucket.header(shop.clock())}

    async def _call_of(self, request: Request) -> Call:
        params = dict(request.query_params)
        customer_id = request.path_params.get("id")
        named = (customer_id,) if customer_id is not None else _parse_ids(params.get("ids", ""))
        return Call(
            endpoint=self._endpoint.name,
            dialect=self._dialect,
            method=request.method,
            path=request.url.path,
            query=params,
            customers=named,
            body=await request.body(),
            at=self._registry.clock(),
        )

    async def _respond(self, shop: Shop, call: Call, request: Request) -> ApiResponse:
        if self._endpoint.scope not in shop.scopes:
            return ApiResponse(403, b"{}")
        wait_s = shop.bucket.take(shop.clock()) if self._endpoint.metered else None
        if wait_s is not None:
            return _throttled(wait_s)
        await _pause(shop.faults.latency_s / 2)
        fault = shop.faults.draw(call)
        if fault is not None and not fault.effect:
            return await _apply_fault(shop, fault, request)
        before = shop.store.get(call.customer or 0)
        result = await self._handle(shop, call, request)
        await _pause(shop.faults.latency_s / 2)
        if fault is None:
            return result
        if fault.kind == "disagree":
            return (
                json_response({"tags": omni.tags(before.tags)}) if before and result.status == 200 else result
            )
        return await _apply_fault(shop, fault, request)

    async def _handle(self, shop: Shop, call: Call, sent: Request) -> ApiResponse:
        await _run_hooks(shop, call, "before")
        request = ApiRequest(
            shop,
            self._dialect,
            call.query,
            sent.path_params.get("id"),
            sent.path_params.get("nested"),
            call.body,
            "cookie" in sent.headers,
        )
        try:
            result = self._endpoint.handler(request)
            response = result if isinstance(result, ApiResponse) else await result
        except NoSuchRecord:
            response = error("Not Found", 404)
        except ValidationError as exc:
            response = error(exc.errors, exc.status)
        await _run_hooks(shop, call, "after")
        return response


def _throttled(wait_s: float) -> ApiResponse:
    retry_after = f"{math.ceil(round(wait_s * 10, 4)) / 10:.1f}"
    return error("Too Many Requests", 429, Retry_After=retry_after)


async def _apply_fault(shop: Shop, fault: Fault, request: Request) -> ApiResponse:
    if fault.kind == "throttle":
        return _throttled(shop.bucket.block(shop.clock(), fault.seconds))
    if fault.kind == "timeout":
        await hang(request, fault.seconds)
        raise Dropped
    if fault.kind == "lose_answer":
        raise Dropped
    if fault.body is not None:
        return ApiResponse(fault.status, fault.body)
    reason = _PHRASES.get(fault.status, "Unknown Error")
    return html_error(fault.status, reason) if fault.html else error(reason, fault.status)


async def _run_hooks(shop: Shop, call: Call, moment: Moment) -> None:
    for hook in shop.hooks.due(call, moment):
        done = hook.action()
        if inspect.isawaitable(done):
            await done


async def _pause(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)


def _parse_ids(text: str) -> tuple[int, ...]:
    return tuple(number for part in text.split(",") if (number := positive_int(part, 0)))
