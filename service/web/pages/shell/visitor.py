"""Cookies: the session, the language, and the notice for the next page. JavaScript reads none of them."""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from service.context import Context
from service.domain.access import MAX_AGE_MS, parse_secret
from service.domain.explain import Language
from service.locales import parse_language
from service.store.access import sessions
from service.web.pages.shell.page import Notice, Visitor

# `__Host-`: only this host can set it, for all of its paths, over TLS. Browsers count http://127.0.0.1 as safe.
SESSION_COOKIE: Final = "__Host-sid"
LANGUAGE_COOKIE: Final = "__Host-lang"
NOTICE_COOKIE: Final = "__Host-notice"
LANGUAGE_AGE_S: Final = 365 * 86_400
NOTICE_AGE_S: Final = 60
MAX_NOTICE: Final = 2_000


async def find_visitor(context: Context, request: Request) -> Visitor | None:
    """Who sends the request. None without a session, and with one that has ended.

    What an open page asks for by itself, such as the health strip, is no use of the session: it would never end.
    """
    secret = parse_secret(request.cookies.get(SESSION_COOKIE, ""))
    if secret is None:
        return None
    found, now_ms = await sessions.find(context.redis, secret)
    if found is None:
        return None
    if request.method != "GET" or not is_partial(request):
        await sessions.save_use(context.redis, found.user.name, found.use, now_ms=now_ms)
    return Visitor(found.user, found.user.to_actor(), found.use, secret.form_token)


def is_partial(request: Request) -> bool:
    """Whether htmx asks for a part of a page."""
    return request.headers.get("hx-request") == "true"


def language_of(request: Request) -> Language:
    """The language that the browser chose on one of our pages; Vietnamese otherwise."""
    return parse_language(request.cookies.get(LANGUAGE_COOKIE))


def set_session(response: Response, secret: str) -> None:
    """Keep the secret of a session in the browser; "" deletes it."""
    if secret:
        _set(response, SESSION_COOKIE, secret, age_s=MAX_AGE_MS // 1000)
    else:
        _set(response, SESSION_COOKIE, "", age_s=0)
        response.headers["Clear-Site-Data"] = '"cache"'  # `Back` must not show the pages again


def set_language(response: Response, language: Language) -> None:
    """Keep the language in the browser."""
    _set(response, LANGUAGE_COOKIE, language, age_s=LANGUAGE_AGE_S)


def set_notice(response: Response, notice: Notice | None) -> None:
    """Keep a notice for the next page; None deletes it."""
    if notice is None:
        _set(response, NOTICE_COOKIE, "", age_s=0)
        return
    encoded = base64.urlsafe_b64encode(msgspec.json.encode((notice.key, dict(notice.params)))).decode()
    if len(encoded) <= MAX_NOTICE:
        _set(response, NOTICE_COOKIE, encoded, age_s=NOTICE_AGE_S)


def read_notice(request: Request) -> Notice | None:
    """The notice for this page. A browser may send anything, so the text may be missing in the catalogs."""
    try:
        decoded = base64.urlsafe_b64decode(request.cookies.get(NOTICE_COOKIE, ""))
        key, params = msgspec.json.decode(decoded, type=tuple[str, dict[str, str]])
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None
    return Notice(key, params)


def _set(response: Response, name: str, value: str, *, age_s: int) -> None:
    response.set_cookie(name, value, max_age=age_s, path="/", secure=True, httponly=True, samesite="lax")
