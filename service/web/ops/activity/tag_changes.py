"""Changes of tags: what the service added and removed, with the rule, the version and the cause."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from service.context import Context
from service.domain.access import Role
from service.domain.customers import CustomerId
from service.store.history import LedgerFilter, LedgerRow, ledger
from service.web.ops.activity.filters import ShortText, SpanQuery, last_ms
from service.web.ops.contract import (
    SHOP_PATH,
    CustomerNumber,
    Endpoint,
    PageModel,
    Request,
    ResponseModel,
    cut_page,
    decode_cursor,
    encode_cursor,
    to_ms,
)

EntryId = Annotated[str, Meta(pattern="^[0-9]{1,15}-[0-9]{1,9}$")]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


class TagChangesQuery(SpanQuery, frozen=True, kw_only=True):
    """A page of the changes that a filter matches. It may be short or empty before the last page.

    With `customer` the last changes of one customer, as far as they match. `cause` is a kind of cause, such as `publish`.
    """

    customer: CustomerNumber | UnsetType = UNSET
    tag: Name | UnsetType = UNSET
    rule: Annotated[Name, Meta(description="The id of a rule or tier")] | UnsetType = UNSET
    action: Literal["added", "removed"] | UnsetType = UNSET
    cause: ShortText | UnsetType = UNSET

    def to_filter(self) -> LedgerFilter:
        """The filter of the store."""
        return LedgerFilter(
            tag="" if self.tag is UNSET else self.tag,
            rule="" if self.rule is UNSET else self.rule,
            action="" if self.action is UNSET else "+" if self.action == "added" else "-",
            cause="" if self.cause is UNSET else self.cause,
            since_ms=to_ms(self.since) or 0,
            until_ms=last_ms(self.until),
        )


class TagChangeModel(ResponseModel, frozen=True):
    """One tag that was added or removed. `written` is false in shadow mode and in a freeze: it was only decided.

    `cause` is what made the service look at the customer, such as `delivery` or `publish:42`.
    """

    id: str
    at_ms: int
    customer: int
    action: Literal["added", "removed"]
    tag: str
    rule: str
    version: int
    cause: str
    written: bool


class TagChangeList(PageModel, frozen=True):
    """Newest first. They are kept for 400 days."""

    changes: list[TagChangeModel]


async def list_tag_changes(context: Context, request: Request) -> TagChangeList:
    """The tags that the service added and removed, newest first: the last ones of one customer, or all."""
    await context.shops.get_or_raise(request.org)
    query: TagChangesQuery = request.model
    wanted = query.to_filter()
    if query.customer is not UNSET:
        rows = await ledger.list_for_customer(context.redis, request.org, CustomerId(query.customer))
        matching = [row for row in rows if wanted.matches(row)]
        page, following = cut_page(matching, query, position=_age, kind=list[int])
        return TagChangeList([_to_model(row) for row in page], next=following)
    before = decode_cursor(query, EntryId) or ""
    found = await ledger.find(context.redis, request.org, wanted, limit=query.limit, before=before)
    following = encode_cursor(found.reached) if found.reached else None
    return TagChangeList([_to_model(row) for row in found.rows], next=following)


def _age(row: LedgerRow) -> list[int]:
    """A position that grows from the newest to the oldest."""
    return [-int(part) for part in row.id.split("-")]


def _to_model(row: LedgerRow) -> TagChangeModel:
    entry = row.entry
    return TagChangeModel(
        id=row.id,
        at_ms=row.at_ms,
        customer=row.customer,
        action="added" if entry.action == "+" else "removed",
        tag=entry.tag,
        rule=entry.rule,
        version=entry.version,
        cause=entry.cause,
        written=entry.written,
    )


TAG_CHANGE_EXAMPLE: Final[dict[str, Any]] = {
    "id": "1795150800000-0",
    "at_ms": 1795150800000,
    "customer": 1037889951,
    "action": "added",
    "tag": "VIP",
    "rule": "vip",
    "version": 42,
    "cause": "delivery",
    "written": True,
}
ENDPOINTS: Final = (
    Endpoint(
        "GET",
        f"{SHOP_PATH}/tag-changes",
        list_tag_changes,
        TagChangeList,
        {"changes": [TAG_CHANGE_EXAMPLE], "next": "IjE3OTUxNTA4MDAwMDAtMCI"},
        TagChangesQuery,
        role=Role.VIEWER,
    ),
)
