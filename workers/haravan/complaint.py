"""What an error's body says, in a short text without anybody's data: for logs and dead letters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from workers.haravan.requests import Request, Response

LONGEST: Final = 200
DEEPEST: Final = 4  # levels of nesting that are read
_SILENT: Final[tuple[object, ...]] = (None, True, False, "", [], {})  # `"error": true` says nothing
ENVELOPES: Final = ("errors", "error", "message")
MASK: Final = "•••"
_PERSONAL: Final = re.compile(
    r"[^\s@,;:\"'<>()]+@[^\s@,;:\"'<>()]+"  # an e-mail address
    r"|[A-Za-z0-9_\-+/=.]{24,}"  # a token
    r"|\+?\d(?:[ .\-()]*\d){4,}"  # five digits or more: a phone, an id, a card
)


def complaint(request: Request, response: Response) -> str:
    """At most 200 characters; "" when the body says nothing. Values that were sent are masked."""
    text = "; ".join(_said(response.body))
    for value in sorted(_sent(request), key=len, reverse=True):
        text = re.sub(re.escape(value), MASK, text, flags=re.IGNORECASE)
    text = " ".join(_PERSONAL.sub(MASK, text).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _said(body: bytes) -> Iterator[str]:
    try:
        content: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        yield _plain(body)
        return
    if isinstance(content, dict):
        content = next((content[key] for key in ENVELOPES if content.get(key) not in _SILENT), content)
    yield from _flat(content, DEEPEST)


def _plain(body: bytes) -> str:
    text = body[:2_000].decode("utf-8", "replace").strip()
    return "an HTML page" if text.startswith("<") else text


def _flat(content: object, depth: int) -> Iterator[str]:
    """`{"base": ["no name"], "email": ["taken"]}` becomes "base: no name", "email: taken"."""
    if content is None or content == "" or depth == 0:
        return
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from (f"{key}: {text}" for text in _flat(value, depth - 1))
    elif isinstance(content, list):
        for value in content:
            yield from _flat(value, depth - 1)
    else:
        yield str(content)


def _sent(request: Request) -> set[str]:
    """The texts of the request that may be somebody's data: a customer's fields, a search."""
    body = request.json if isinstance(request.json, Mapping) else {}
    texts = {*_texts(body.get("customer")), *_texts(request.query.get("query"))}
    return {text for text in texts if len(text) > 1}


def _texts(content: object) -> Iterator[str]:
    values: Iterable[object] = ()
    if isinstance(content, str):
        yield content.strip()
        yield from content.split()
    elif isinstance(content, Mapping):
        values = content.values()
    elif isinstance(content, list | tuple):
        values = content
    for value in values:
        yield from _texts(value)
