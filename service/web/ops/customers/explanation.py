"""Explanations: why a customer has its tags."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType

from service.context import Context
from service.domain.access import Role
from service.domain.customers import CustomerId
from service.locales import translator_for
from service.operations import explain_for_shop
from service.web.ops.contract import (
    CUSTOMER_PATH,
    Endpoint,
    Language,
    Request,
    RequestModel,
    ResponseModel,
    VersionNumber,
)


class ExplainQuery(RequestModel, frozen=True):
    """One tag, a day, a version of the rules. Default: all tags, today, the live version."""

    tag: Annotated[str, Meta(max_length=200)] = ""
    on: date | UnsetType = UNSET
    version: VersionNumber | UnsetType = UNSET
    lang: Language = "vi"


class CustomerExplanation(ResponseModel, frozen=True):
    """Why a customer has its tags: the owner of each tag, the state of each rule, our writes."""

    customer: int
    day: str
    version: int
    tags: list[dict[str, Any]]
    add: list[str]
    remove: list[str]
    next_change: str | None
    rules: list[dict[str, Any]]
    tiers: list[dict[str, Any]]
    excluded: list[str]
    under_way: list[dict[str, Any]]
    stopped: list[str]
    changed_by_others: list[dict[str, Any]]
    ledger: list[dict[str, Any]]
    dead_letters: list[dict[str, Any]]
    deliveries: list[dict[str, Any]]
    waiting: bool
    shadow: bool
    obstacles: Annotated[
        list[str],
        Meta(
            description="What stands in the way: paused, removals_paused, shadow, frozen, freeze_waiting, first_look.…, marked"
        ),
    ]


async def explain_customer(context: Context, request: Request) -> CustomerExplanation:
    """Explain why a customer has its tags. It uses stored data only and makes no API call."""
    query: ExplainQuery = request.model
    explained = await explain_for_shop(
        context,
        await context.shops.get_or_raise(request.org),
        CustomerId(request.path["customer"]),
        on=None if query.on is UNSET else query.on,
        version=0 if query.version is UNSET else query.version,
    )
    return CustomerExplanation(**explained.to_dict(words=translator_for(query.lang), tag=query.tag))


EXPLANATION_EXAMPLE: Final[dict[str, Any]] = {
    "customer": 1037889951,
    "day": "2026-11-22",
    "version": 42,
    "tags": [{"tag": "Khách sỉ", "owner": "others", "leaves": False, "since_ms": 1795150800000}],
    "add": [],
    "remove": [],
    "next_change": None,
    "rules": [
        {
            "id": "vip",
            "name": "Khách VIP",
            "tag": "VIP",
            "state": "none",
            "text": "chưa có nhãn VIP: chưa thỏa điều kiện",
            "until": None,
            "since": None,
            "missing": {},
            "when": {
                "field": "total_spent",
                "op": "at_least",
                "expected": 10000000,
                "actual": 9660000,
                "matched": False,
                "distance": {"way": "lacks", "amount": 340000},
                "text": "✘ Tổng chi tiêu từ 10.000.000 ₫ trở lên (đang là 9.660.000 ₫, còn thiếu 340.000 ₫)",
                "next_change": None,
            },
            "coming": None,
        }
    ],
    "tiers": [],
    "excluded": [],
    "under_way": [],
    "stopped": [],
    "changed_by_others": [{"tag": "Khách sỉ", "added": True, "at_ms": 1795150800000}],
    "ledger": [],
    "dead_letters": [],
    "deliveries": [
        {"id": "1795150800000-0.0", "at_ms": 1795150800000, "topic": "orders/paid", "outcome": "marked"}
    ],
    "waiting": False,
    "shadow": False,
    "obstacles": [],
}

ENDPOINTS: Final = (
    Endpoint(
        "GET",
        CUSTOMER_PATH,
        explain_customer,
        CustomerExplanation,
        EXPLANATION_EXAMPLE,
        ExplainQuery,
        cpu_bound=True,
        role=Role.VIEWER,
    ),
)
