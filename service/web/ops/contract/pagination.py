"""Pages of lists: `limit` says how many, `next` of an answer is the `cursor` of the following page, null on the last.

A cursor holds the position of the last item, so items that appear or disappear meanwhile shift nothing. Clients must not
look into it.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.web.ops.contract.requests import Limit, RequestModel, ResponseModel
from service.web.problems import Problem

T = TypeVar("T")
P = TypeVar("P")
Cursor = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2000,
        pattern="^[A-Za-z0-9_-]+$",
        description="`next` of the previous page. Default: the first page",
    ),
]


class PageQuery(RequestModel, frozen=True, kw_only=True):
    """A page of a list."""

    cursor: Cursor | UnsetType = UNSET
    limit: Limit = 100


class PageModel(ResponseModel, frozen=True, kw_only=True):
    """One page of a list. `next` is the cursor of the following page; null: there is none."""

    next: str | None


def encode_cursor(position: Any) -> str:
    """The cursor of the page after this position."""
    return urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode_cursor(query: PageQuery, kind: type[P]) -> P | None:
    """The position from which the page begins; None: at the first item. Raises Problem 400."""
    if query.cursor is UNSET:
        return None
    try:
        padded = query.cursor + "=" * (-len(query.cursor) % 4)
        return msgspec.json.decode(urlsafe_b64decode(padded), type=kind)
    except (ValueError, RecursionError) as exc:  # also msgspec's errors
        raise Problem("invalid-cursor", "`cursor` is not the `next` of an earlier page of this list") from exc


def cut_page(
    items: Sequence[T], query: PageQuery, *, position: Callable[[T], Any], kind: Any
) -> tuple[list[T], str | None]:
    """The page of a list that is read as a whole, and `next`. Its positions are of `kind` and grow."""
    after = decode_cursor(query, kind)
    left = [item for item in items if after is None or position(item) > after]
    page = left[: query.limit]
    return page, encode_cursor(position(page[-1])) if len(left) > len(page) else None
