"""Security of the pages: which requests may change something, and the headers of every response.

A browser says where a request comes from in `Sec-Fetch-Site`, or else in `Origin`. Forms also carry a token of the session,
which `respond.py` checks. Neither needs JavaScript.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class SecurityMiddleware:
    """Refuses changes that another site asks for, and adds the headers. Pure ASGI, for single routes."""

    def __init__(self, app: ASGIApp, *, cache_control: str = "private, no-cache") -> None:
        self._app = app
        self._cache_control = cache_control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", self._cache_control)
            await send(message)

        if scope["method"] not in SAFE_METHODS and not is_same_origin(Headers(scope=scope)):
            refused = PlainTextResponse("refused: another site asked for this change\n", status_code=403)
            await refused(scope, receive, send_secured)
            return
        await self._app(scope, receive, send_secured)


def is_same_origin(headers: Headers) -> bool:
    """Whether one of our own pages sent this request. One with neither header comes from no browser: it is refused."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return (
        origin is not None
        and bool(urlsplit(origin).netloc)
        and urlsplit(origin).netloc == headers.get("host")
    )


def safe_path(text: str) -> str:
    """A path of this site that a request named, such as the page to return to after the sign-in; otherwise `/`.

    Browsers read `//host` and `/\\host` as another site, and drop line breaks and tabs.
    """
    is_own = text.startswith("/") and not text.startswith(("//", "/\\"))
    return text if is_own and text.isprintable() and "\\" not in text else "/"
