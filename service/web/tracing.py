"""The span of each HTTP request. Built only if traces are on."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.runtime import span
from service.web.access_log import QUIET_PATHS


class TracingMiddleware:
    """Opens a server span around each request. Its name is the method and the route, so it has no ids.

    A `traceparent` of the request is its parent: a proxy may have begun the trace.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in QUIET_PATHS:
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        parent = next(
            (value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), ""
        )
        with span(method, {"http.request.method": method}, kind="server", parent=parent) as current:

            async def send_with_status(message: Message) -> None:
                if message["type"] == "http.response.start":
                    current.set_attribute("http.response.status_code", message["status"])
                await send(message)

            try:
                await self._app(scope, receive, send_with_status)
            finally:
                route = getattr(scope.get("route"), "path", "")  # Starlette's router sets it
                if route:
                    current.set_attribute("http.route", route)
                    current.update_name(f"{method} {route}")
