"""Exclusions: a rule neither gives nor removes its tag for one customer."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from service.context import Context
from service.domain.access import Role
from service.domain.customers import CustomerId
from service.operations import exclusions
from service.web.ops.requests import CUSTOMER_PATH, Endpoint, Request, RequestModel, ResponseModel


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


ENDPOINTS: Final = (
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
