"""Dead letters: the customers whose tags could not be written, by a filter."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta

from service import operations
from service.context import Context
from service.domain.access import Role
from service.locales import translator_for
from service.store.queue import DeadLetter
from service.web.ops.activity.filters import LettersQuery, LettersWanted
from service.web.ops.contract import (
    SHOP_PATH,
    Endpoint,
    Language,
    PageModel,
    Request,
    ResponseModel,
    cut_page,
    to_model,
)


class GroupsQuery(LettersQuery, frozen=True, kw_only=True):
    """A page of groups of the letters that a filter matches, and the language of their sentences."""

    lang: Language = "vi"


class RetryRequest(LettersWanted, frozen=True):
    """The dead letters that are retried; without any part all of them. `dry_run` only counts their customers."""

    dry_run: bool = False


class DropRequest(LettersWanted, frozen=True, kw_only=True):
    """The dead letters that are dropped, and why. The audit log keeps the reason: write no customer's name.

    `dry_run` only counts their customers.
    """

    reason: Annotated[str, Meta(min_length=1, max_length=200)]
    dry_run: bool = False


class DeadLetterModel(ResponseModel, frozen=True):
    """One open dead letter."""

    customer: int
    cause: str
    text: str
    first_ms: int
    last_ms: int
    count: int
    transient: bool


class DeadLetterList(PageModel, frozen=True):
    """Oldest first. `total` letters match."""

    dead_letters: list[DeadLetterModel]
    total: int


class LetterGroupModel(ResponseModel, frozen=True):
    """Letters with the same cause and text. `key` is the `group` of a filter. `fix` is what would most likely help."""

    key: str
    cause: str
    text: str
    fix: str
    customers: int
    last_ms: int
    transient: bool


class LetterGroupList(PageModel, frozen=True):
    """The largest group first."""

    groups: list[LetterGroupModel]


class LettersResponse(ResponseModel, frozen=True):
    """How many customers the letters were of."""

    customers: int


async def list_dead_letters(context: Context, request: Request) -> DeadLetterList:
    """Open dead letters, oldest first, and their number."""
    await context.shops.get_or_raise(request.org)
    query: LettersQuery = request.model
    letters = await operations.find_letters(context.redis, request.org, query.to_filter())
    ordered = sorted(letters, key=_position)
    page, following = cut_page(ordered, query, position=_position, kind=tuple[int, int, str])
    return DeadLetterList(
        [to_model(letter, DeadLetterModel) for letter in page], len(letters), next=following
    )


async def group_dead_letters(context: Context, request: Request) -> LetterGroupList:
    """Open dead letters by cause, with the likely fix."""
    await context.shops.get_or_raise(request.org)
    query: GroupsQuery = request.model
    letters = await operations.find_letters(context.redis, request.org, query.to_filter())
    groups = operations.group_letters(letters, words=translator_for(query.lang))
    ordered = sorted(groups, key=_group_position)
    page, following = cut_page(ordered, query, position=_group_position, kind=tuple[int, str])
    return LetterGroupList(
        [
            LetterGroupModel(
                key=group.key,
                cause=group.cause,
                text=group.text,
                fix=group.fix,
                customers=len(group.letters),
                last_ms=group.last_ms,
                transient=group.is_transient,
            )
            for group in page
        ],
        next=following,
    )


async def retry_dead_letters(context: Context, request: Request) -> LettersResponse:
    """Evaluate customers with dead letters again. A success closes their letters."""
    await context.shops.get_or_raise(request.org)
    body: RetryRequest = request.model
    if body.dry_run:
        return await _count(context, request, body)
    retried = await operations.retry_dead_letters(context, request.org, body.to_filter(), by=request.by)
    return LettersResponse(len(retried))


async def drop_dead_letters(context: Context, request: Request) -> LettersResponse:
    """Close dead letters without evaluating their customers."""
    await context.shops.get_or_raise(request.org)
    body: DropRequest = request.model
    if body.dry_run:
        return await _count(context, request, body)
    dropped = await operations.drop_dead_letters(
        context, request.org, body.to_filter(), by=request.by, reason=body.reason
    )
    return LettersResponse(len(dropped))


async def _count(context: Context, request: Request, wanted: LettersWanted) -> LettersResponse:
    letters = await operations.find_letters(context.redis, request.org, wanted.to_filter())
    return LettersResponse(len({letter.customer for letter in letters}))


def _position(letter: DeadLetter) -> tuple[int, int, str]:
    return letter.first_ms, letter.customer, letter.cause


def _group_position(group: operations.LetterGroup) -> tuple[int, str]:
    return -len(group.letters), group.key


DEAD_LETTER_EXAMPLE: Final[dict[str, Any]] = {
    "customer": 1037890001,
    "cause": "rejected",
    "text": "422: tag is too long",
    "first_ms": 1795150800000,
    "last_ms": 1795154400000,
    "count": 3,
    "transient": False,
}
GROUP_EXAMPLE: Final[dict[str, Any]] = {
    "key": "rejected|422: tag is too long",
    "cause": "rejected",
    "text": "Haravan không chấp nhận: 422: tag is too long",
    "fix": "Sửa quy tắc hoặc nhãn cho hợp lệ, rồi thử lại.",
    "customers": 2,
    "last_ms": 1795154400000,
    "transient": False,
}
ENDPOINTS: Final = (
    Endpoint(
        "GET",
        f"{SHOP_PATH}/dead-letters",
        list_dead_letters,
        DeadLetterList,
        {"dead_letters": [DEAD_LETTER_EXAMPLE], "total": 1, "next": None},
        LettersQuery,
        role=Role.VIEWER,
    ),
    Endpoint(
        "GET",
        f"{SHOP_PATH}/dead-letters/groups",
        group_dead_letters,
        LetterGroupList,
        {"groups": [GROUP_EXAMPLE], "next": None},
        GroupsQuery,
        role=Role.VIEWER,
    ),
    Endpoint(
        "POST",
        f"{SHOP_PATH}/dead-letters/retry",
        retry_dead_letters,
        LettersResponse,
        {"customers": 1},
        RetryRequest,
        {"all": {}, "some": {"customers": [1037889951]}, "a cause": {"cause": "rejected"}},
        role=Role.OPS,
    ),
    Endpoint(
        "POST",
        f"{SHOP_PATH}/dead-letters/drop",
        drop_dead_letters,
        LettersResponse,
        {"customers": 1},
        DropRequest,
        {"one customer": {"customers": [1037889951], "reason": "khách thử"}},
        role=Role.OPS,
    ),
)
