"""Exclusions: a rule neither gives nor removes its tag for one customer."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from service.context import Context
from service.domain.access import Role
from service.domain.customers import CustomerId
from service.operations import exclusions
from service.web.ops.contract import (
    CUSTOMER_PATH,
    SHOP_PATH,
    Endpoint,
    PageModel,
    PageQuery,
    Request,
    RequestModel,
    ResponseModel,
    cut_page,
)


class ExcludeRequest(RequestModel, frozen=True):
    """The rule's or tier's id. `undo` includes the customer again; `dry_run` only shows the changes."""

    rule: Annotated[str, Meta(min_length=1, max_length=200)]
    undo: bool = False
    dry_run: bool = False


class ExcludeResponse(ResponseModel, frozen=True):
    """Whether it changes anything, and the tags that change; null if the customer was never evaluated."""

    customer: int
    rule: str
    undo: bool
    changed: bool
    add: list[str] | None
    remove: list[str] | None


class ExclusionModel(ResponseModel, frozen=True):
    """A customer, and the rules and tiers that neither give nor remove tags there."""

    customer: int
    rules: list[str]


class ExclusionList(PageModel, frozen=True):
    """By customer id."""

    exclusions: list[ExclusionModel]


async def exclude_customer(context: Context, request: Request) -> ExcludeResponse:
    """Exclude a customer from a rule: the rule neither gives nor removes its tag there."""
    body: ExcludeRequest = request.model
    shop = await context.shops.get_or_raise(request.org)
    customer = CustomerId(request.path["customer"])
    exclusion = await exclusions.plan_exclusion(context, shop, customer, body.rule, undo=body.undo)
    if not body.dry_run:
        await exclusions.apply_exclusion(context, shop, exclusion, by=request.by)
    return ExcludeResponse(
        exclusion.customer,
        exclusion.rule,
        exclusion.undo,
        exclusion.changed,
        None if exclusion.add is None else [*exclusion.add],
        None if exclusion.remove is None else [*exclusion.remove],
    )


async def list_all_exclusions(context: Context, request: Request) -> ExclusionList:
    """The customers that are excluded from rules."""
    shop = await context.shops.get_or_raise(request.org)
    excluded = [*(await exclusions.list_exclusions(context, shop.org)).items()]
    page, following = cut_page(excluded, request.model, position=lambda each: each[0], kind=int)
    return ExclusionList(
        [ExclusionModel(customer, sorted(rules)) for customer, rules in page], next=following
    )


ENDPOINTS: Final = (
    Endpoint(
        "GET",
        f"{SHOP_PATH}/exclusions",
        list_all_exclusions,
        ExclusionList,
        {"exclusions": [{"customer": 1037889951, "rules": ["vip"]}], "next": None},
        PageQuery,
        role=Role.VIEWER,
    ),
    Endpoint(
        "POST",
        f"{CUSTOMER_PATH}/exclusions",
        exclude_customer,
        ExcludeResponse,
        {
            "customer": 1037889951,
            "rule": "vip",
            "undo": False,
            "changed": True,
            "add": [],
            "remove": ["VIP"],
        },
        ExcludeRequest,
        {"exclude": {"rule": "vip"}, "include again": {"rule": "vip", "undo": True}},
        cpu_bound=True,
        role=Role.MARKETER,
    ),
)
