"""The subscription API (`/api/subscribe`): scope wh_api, outside the call limit, errors with status 200."""

from __future__ import annotations

from typing import Any

from deploy.sandbox.api.endpoints import Endpoint
from deploy.sandbox.api.responses import ApiRequest, ApiResponse, json_response
from deploy.sandbox.shop import Shop
from deploy.sandbox.webhooks import WebhookSession

PATH, SCOPE = "/subscribe", "wh_api"


def endpoints(session: WebhookSession) -> tuple[Endpoint, ...]:
    """`GET`, `POST` and `DELETE /api/subscribe`."""

    async def subscribe(request: ApiRequest) -> ApiResponse:
        return json_response(await _subscribe(session, request.shop))

    return (
        Endpoint("GET subscribe", PATH, SCOPE, _list, metered=False),
        Endpoint("POST subscribe", PATH, SCOPE, subscribe, metered=False),
        Endpoint("DELETE subscribe", PATH, SCOPE, _unsubscribe, metered=False),
    )


def _list(request: ApiRequest) -> ApiResponse:
    return json_response({"error": False, "message": "OK", "data": request.shop.subscriptions()})


def _unsubscribe(request: ApiRequest) -> ApiResponse:
    request.shop.unsubscribe()
    return json_response({"error": False, "message": "Unsubscribed"})


async def _subscribe(session: WebhookSession, shop: Shop) -> dict[str, Any]:
    app = shop.app
    if app.url is None:
        return {"error": True, "message": "The app has no webhook URL"}
    if app.verify_token is not None:
        problem = await session.handshake(
            app.url, verify_token=app.verify_token, timeout_s=shop.deliveries.timeout_s
        )
        if problem is not None:
            return {"error": True, "message": f"Verification of the callback failed: {problem}"}
    app.subscribed = True
    return {"error": False, "message": "Subscribed"}
