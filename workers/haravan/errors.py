"""Converts a response to a value or to one of the errors of service/errors.py. No other module looks at a status.

| status | result |
|---|---|
| 2xx with what the API promises | the value |
| 2xx with anything else, 3xx, 408, 5xx | ApiUnavailable |
| 401 | TokenRejected |
| 403 of a path that names a customer | AccessDenied |
| 403 of any other path | TokenRejected |
| 404 of a path that names a customer | CustomerNotFound |
| 404 of any other path | ApiUnavailable: the API URL is wrong |
| 429 | RateLimited |
| every other 4xx | RequestRejected |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeVar

import msgspec

from service.errors import (
    AccessDenied,
    ApiUnavailable,
    CustomerNotFound,
    HaravanError,
    RateLimited,
    RequestRejected,
    TokenRejected,
)
from service.runtime import without_control_characters
from service.sentence import Sentence
from workers.haravan.calls import Call, Request, Response
from workers.haravan.rate_limit import parse_retry_after

T = TypeVar("T")

MAX_TEXT_CHARS: Final = 2_000  # of an error body; cut before anything else looks at it
MAX_SUMMARY_CHARS: Final = 200
MAX_DEPTH: Final = 4  # nesting levels that are read
MAX_KEYS: Final = 5  # named in a message
HTML_PAGE: Final = "an HTML page"
_WITHOUT_TEXT: Final[tuple[object, ...]] = (None, True, False, "", [], {})  # `"error": true` carries no text
ENVELOPES: Final = ("errors", "error", "message")
MASK: Final = "•••"
READ_SCOPE: Final = "com.read_customers"
WRITE_SCOPE: Final = "com.write_customers"
SUBSCRIBE_SCOPE: Final = "wh_api"
_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
# Every part is linear in the length of the text: an e-mail address is searched only where a word begins.
_PERSONAL: Final = re.compile(
    r"(?<![^\s@,;:\"'<>()])[^\s@,;:\"'<>()]++@[^\s@,;:\"'<>()]++"  # an e-mail address
    r"|[A-Za-z0-9_\-+/=.]{24,}"  # a token
    r"|\+?\d(?:[ .\-()]{0,3}\d){4,}"  # at least five digits: a phone number, an id, a card number
)


def single_request(request: Request, decode: Callable[[bytes], T]) -> Call[T]:
    """A call of one request. `decode` converts the body of its response."""
    response = yield request
    return parse_response(request, response, decode)


def parse_response(request: Request, response: Response, decode: Callable[[bytes], T]) -> T:
    """The decoded body of a successful response. Raises HaravanError, and MalformedData if `decode` does."""
    if not 200 <= response.status < 300:
        raise to_error(request, response)
    try:
        return decode(response.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ApiUnavailable(
            Sentence(
                "{endpoint} answered {status} with a body that is not what the API promises",
                endpoint=request.endpoint,
                status=response.status,
            ),
            status=response.status,
        ) from exc


def to_error(request: Request, response: Response) -> HaravanError:
    """The error for a status other than 2xx."""
    status, said = response.status, response_text(request, response)
    keys = ", ".join(error_keys(response.body))
    text = (
        Sentence("{endpoint} answered {status} ({keys})", endpoint=request.endpoint, status=status, keys=keys)
        if keys
        else Sentence("{endpoint} answered {status}", endpoint=request.endpoint, status=status)
    )
    if status == 429:
        return RateLimited(text, retry_after_s=parse_retry_after(response.headers))
    if status == 401:
        return TokenRejected(text, status=status, response_text=said)
    if status == 403:
        denied = TokenRejected if request.customer is None else AccessDenied
        return denied(text, status=status, response_text=said, scope=scope_of(request))
    if status == 404:
        return _not_found(request, text, said)
    if status < 400:
        return ApiUnavailable(
            Sentence("{text}: a redirection is never followed; check the API address", text=text),
            status=status,
        )
    if status == 408 or status >= 500:
        return ApiUnavailable(text, status=status, response_text=said)
    return RequestRejected(text, status=status, response_text=said)


def _not_found(request: Request, text: Sentence, said: str) -> HaravanError:
    if request.customer is not None:
        return CustomerNotFound(text, status=404, response_text=said)
    return ApiUnavailable(
        Sentence("{text}: there is no such endpoint at this address", text=text),
        status=404,
        response_text=said,
    )


def scope_of(request: Request) -> str:
    """The scope that this request needs (haravan.md, API); "" if no document says it."""
    if request.endpoint == "GET shop":
        return ""
    if request.endpoint.endswith(" subscribe"):
        return SUBSCRIBE_SCOPE
    return READ_SCOPE if request.kind == "read" else WRITE_SCOPE


def error_keys(body: bytes) -> list[str]:
    """The keys of an error body: `email` of `{"errors": {"email": ["taken"]}}`, `invalid_token` of `{"error": …}`.

    Only words that look like a name in an API are among them, never a sentence or a value of a customer.
    """
    content = _decode(body)
    if not isinstance(content, Mapping):
        return [HTML_PAGE] if body.lstrip().startswith(b"<") else []
    errors = next((content[key] for key in ENVELOPES if content.get(key) not in _WITHOUT_TEXT), None)
    if isinstance(errors, str):
        return [errors] if "_" in errors and _KEY.fullmatch(errors) else []
    names = errors if isinstance(errors, Mapping) else ()
    return sorted(name for name in names if isinstance(name, str) and _KEY.fullmatch(name))[:MAX_KEYS]


def response_text(request: Request, response: Response) -> str:
    """The text of an error body, masked, without control characters, at most 200 characters; "" if it has none.

    Values that the request carried are masked, and whatever looks like an e-mail address, a number or a token. A name
    or an address of somebody else may remain: only a dead letter shows this text.
    """
    text = without_control_characters(_joined(_texts_of(response.body)))
    for value in sorted(_personal_values(request), key=len, reverse=True):
        text = re.sub(re.escape(value), MASK, text, flags=re.IGNORECASE)
    text = " ".join(_PERSONAL.sub(MASK, text).split())
    return text if len(text) <= MAX_SUMMARY_CHARS else text[: MAX_SUMMARY_CHARS - 1] + "…"


def _joined(texts: Iterator[str]) -> str:
    """The first `MAX_TEXT_CHARS` characters of the texts."""
    parts: list[str] = []
    length = 0
    for text in texts:
        parts.append(text[:MAX_TEXT_CHARS])
        length += len(text) + 2
        if length > MAX_TEXT_CHARS:
            break
    return "; ".join(parts)[:MAX_TEXT_CHARS]


def _decode(body: bytes) -> object:
    """The JSON of a body; None if it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _texts_of(body: bytes) -> Iterator[str]:
    content = _decode(body)
    if content is None:
        yield "" if body.strip() == b"null" else _plain_text(body)
        return
    if isinstance(content, dict):
        content = next((content[key] for key in ENVELOPES if content.get(key) not in _WITHOUT_TEXT), content)
    yield from _flatten(content, MAX_DEPTH)


def _plain_text(body: bytes) -> str:
    text = body[:MAX_TEXT_CHARS].decode("utf-8", "replace").strip()
    return HTML_PAGE if text.startswith("<") else text


def _flatten(content: object, depth: int) -> Iterator[str]:
    """`{"base": ["no name"], "email": ["taken"]}` becomes "base: no name", "email: taken"."""
    if content is None or content == "" or depth == 0:
        return
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from (f"{key}: {text}" for text in _flatten(value, depth - 1))
    elif isinstance(content, list):
        for value in content:
            yield from _flatten(value, depth - 1)
    else:
        yield str(content)


def _personal_values(request: Request) -> set[str]:
    """The texts of the request that may be personal data: the fields of a customer, a search query."""
    body = request.json if isinstance(request.json, Mapping) else {}
    texts = {*_strings(body.get("customer")), *_strings(request.query.get("query"))}
    return {text for text in texts if len(text) > 1}


def _strings(content: object) -> Iterator[str]:
    values: Iterable[object] = ()
    if isinstance(content, str):
        yield content.strip()
        yield from content.split()
    elif isinstance(content, Mapping):
        values = content.values()
    elif isinstance(content, list | tuple):
        values = content
    for value in values:
        yield from _strings(value)
