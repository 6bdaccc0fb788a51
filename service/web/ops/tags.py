"""Tags and customers by hand: adopting, retracting, excluding, explaining. CPU work: it runs in the pool."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from service.context import Context
from service.domain.customers import CustomerId
from service.locales import translator_for
from service.operations import Claim, claiming, claims, exclusions, explain
from service.store.shops import Shop
from service.web.ops.requests import (
    Endpoint,
    Language,
    Request,
    RequestModel,
    ResponseModel,
    VersionNumber,
    to_model,
)
from service.web.ops.runs import RUN_EXAMPLE, RunModel

MAX_SAMPLES: Final = 20
Tag = Annotated[str, Meta(min_length=1, max_length=200, description="Case does not matter")]


class ExplainQuery(RequestModel, frozen=True):
    """Only one tag, another day, another version of the rules; without them all tags, today, the live version."""

    tag: Annotated[str, Meta(max_length=200)] = ""
    on: date | UnsetType = UNSET
    version: VersionNumber | UnsetType = UNSET
    lang: Language = "vi"


class AdoptRequest(RequestModel, frozen=True):
    """A tag whose copies become ours. With `dry_run` they are only counted."""

    tag: Tag
    matching_only: Annotated[
        bool, Meta(description="Only where the rules would give it now; of a tier the level that they would")
    ] = False
    dry_run: bool = False


class RetractRequest(RequestModel, frozen=True):
    """A tag that is removed wherever it is ours. With `dry_run` they are only counted."""

    tag: Tag
    dry_run: bool = False


class ExcludeRequest(RequestModel, frozen=True):
    """The rule's or tier's id. `undo` includes the customer again; with `dry_run` it is only looked at."""

    rule: Annotated[str, Meta(min_length=1, max_length=200)]
    undo: bool = False
    dry_run: bool = False


class ClaimResponse(ResponseModel, frozen=True):
    """How many copies change owner, some of the customers, and the run unless it was only counted."""

    tag: str
    action: Literal["adopt", "retract"]
    customers: int
    samples: list[int]
    run: RunModel | None


class ExcludeResponse(ResponseModel, frozen=True):
    """Whether that changes anything, and the tags that change by it; null where we never looked at the customer."""

    customer: int
    rule: str
    undo: bool
    changed: bool
    add: list[str] | None
    remove: list[str] | None


class CustomerExplanation(ResponseModel, frozen=True):
    """Why a customer has its tags or not: the owner of each tag, what every rule says, what we wrote."""

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


async def adopt_tag(context: Context, request: Request) -> ClaimResponse:
    """Make copies of a tag ours that somebody else put on: from then on the rule removes them too.

    A worker does it; the run is followed at `runs/{run}`. The same adoption that is still pending is not started twice.
    """
    asked: AdoptRequest = request.model
    shop = await context.shops.get_or_raise(request.org)
    claim = await claims.plan_adoption(context, shop, asked.tag, matching_only=asked.matching_only)
    return await _claim(context, request, shop, claim, dry_run=asked.dry_run)


async def retract_tag(context: Context, request: Request) -> ClaimResponse:
    """Remove a tag from all customers who have it from us; refused while a live rule would give it again.

    A worker does it; the run is followed at `runs/{run}`. The same one that is still pending is not started twice.
    """
    asked: RetractRequest = request.model
    shop = await context.shops.get_or_raise(request.org)
    claim = await claims.plan_retraction(context, shop, asked.tag)
    return await _claim(context, request, shop, claim, dry_run=asked.dry_run)


async def exclude_customer(context: Context, request: Request) -> ExcludeResponse:
    """Leave a customer alone with a rule: it neither gives nor removes its tag there."""
    asked: ExcludeRequest = request.model
    shop = await context.shops.get_or_raise(request.org)
    customer = CustomerId(request.path["customer"])
    planned = await exclusions.plan_exclusion(context, shop, customer, asked.rule, undo=asked.undo)
    if not asked.dry_run:
        await exclusions.apply_exclusion(context, shop, planned, by=request.by)
    return ExcludeResponse(
        planned.customer,
        planned.rule,
        planned.undo,
        planned.changed,
        None if planned.add is None else [*planned.add],
        None if planned.remove is None else [*planned.remove],
    )


async def explain_customer(context: Context, request: Request) -> CustomerExplanation:
    """Why a customer has its tags or not, by what we have stored: Haravan is asked nothing."""
    asked: ExplainQuery = request.model
    explained = await explain.explain_for_shop(
        context.redis,
        await context.shops.get_or_raise(request.org),
        CustomerId(request.path["customer"]),
        versions=context.versions,
        now_ms=await context.now_ms(),
        on=None if asked.on is UNSET else asked.on,
        number=0 if asked.version is UNSET else asked.version,
    )
    data = explained.data(words=translator_for(asked.lang), tag=asked.tag)
    return CustomerExplanation(**data | {"tags": [_renamed(tag) for tag in data["tags"]]})


async def _claim(
    context: Context, request: Request, shop: Shop, claim: Claim, *, dry_run: bool
) -> ClaimResponse:
    run = None
    if claim.new_owners and not dry_run:
        run = await claiming.apply_claim(context, shop, claim, by=request.by)
    samples: list[int] = [int(each) for each in [*claim.new_owners][:MAX_SAMPLES]]
    model = None if run is None else to_model(run, RunModel)
    return ClaimResponse(claim.tag, claim.what, len(claim.new_owners), samples, model)


def _renamed(tag: dict[str, Any]) -> dict[str, Any]:
    return {"owner" if name == "whose" else name: value for name, value in tag.items()}


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
            "text": "Không khớp",
            "until": None,
            "since": None,
            "when": {
                "field": "total_spent",
                "op": "at_least",
                "expected": 10000000,
                "actual": 9660000,
                "matched": False,
                "distance": {"way": "lacks", "amount": 340000},
                "text": "✘ Tổng chi tiêu từ 10.000.000 ₫ trở lên (đang là 9.660.000 ₫, thiếu 340.000 ₫)",
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
}

CLAIM_EXAMPLE: Final[dict[str, Any]] = {
    "tag": "VIP",
    "action": "adopt",
    "customers": 312,
    "samples": [1037889951, 1037890001],
    "run": RUN_EXAMPLE
    | {"id": "A18", "kind": "adopt", "reason": "adopt VIP", "total": 0, "remaining": 0, "done": 0, "added": 0}
    | {"pending": True},
}
RULES: Final = "/ops/v1/shops/{org}/rules"
CUSTOMER: Final = "/ops/v1/shops/{org}/customers/{customer}"
ENDPOINTS: Final = (
    Endpoint(
        "POST",
        f"{RULES}/adopt",
        adopt_tag,
        ClaimResponse,
        CLAIM_EXAMPLE,
        AdoptRequest,
        {"count first": {"tag": "VIP", "matching_only": True, "dry_run": True}},
        cpu_bound=True,
    ),
    Endpoint(
        "POST",
        f"{RULES}/retract",
        retract_tag,
        ClaimResponse,
        CLAIM_EXAMPLE | {"action": "retract", "run": None},
        RetractRequest,
        {"count first": {"tag": "VIP", "dry_run": True}, "do it": {"tag": "VIP"}},
        cpu_bound=True,
    ),
    Endpoint(
        "POST",
        f"{CUSTOMER}/exclusions",
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
    ),
    Endpoint(
        "GET",
        CUSTOMER,
        explain_customer,
        CustomerExplanation,
        EXPLANATION_EXAMPLE,
        ExplainQuery,
        cpu_bound=True,
    ),
)
