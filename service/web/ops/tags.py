"""Claims, exclusions, explanations and personal data. These endpoints are CPU work and run in the pool."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from service.context import Context
from service.domain.access import Role
from service.domain.customers import CustomerId
from service.locales import translator_for
from service.operations import (
    Claim,
    claims,
    erase_personal_data,
    exclusions,
    explain_for_shop,
    export_personal_data,
)
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
    """One tag, a day, a version of the rules. Default: all tags, today, the live version."""

    tag: Annotated[str, Meta(max_length=200)] = ""
    on: date | UnsetType = UNSET
    version: VersionNumber | UnsetType = UNSET
    lang: Language = "vi"


class AdoptRequest(RequestModel, frozen=True):
    """A tag whose copies become ours. `dry_run` only counts them."""

    tag: Tag
    matching_only: Annotated[
        bool,
        Meta(description="Only customers to whom the rules would give it now; of a tier, those on its level"),
    ] = False
    dry_run: bool = False


class RetractRequest(RequestModel, frozen=True):
    """A tag that is removed from all customers whose copy is ours. `undo` restores it; `dry_run` only counts them."""

    tag: Tag
    undo: bool = False
    approve: Annotated[bool, Meta(description="Do it although it removes much")] = False
    dry_run: bool = False


class ExcludeRequest(RequestModel, frozen=True):
    """The rule's or tier's id. `undo` includes the customer again; `dry_run` only shows the changes."""

    rule: Annotated[str, Meta(min_length=1, max_length=200)]
    undo: bool = False
    dry_run: bool = False


class ClaimResponse(ResponseModel, frozen=True):
    """How many copies change their owner, some of the customers, and the run; null with `dry_run`.

    A retraction beyond the publish guard `needs_approval`.
    """

    tag: str
    action: Literal["adopt", "retract", "restore"]
    customers: int
    samples: list[int]
    needs_approval: bool
    run: RunModel | None


class ExcludeResponse(ResponseModel, frozen=True):
    """Whether it changes anything, and the tags that change; null if the customer was never evaluated."""

    customer: int
    rule: str
    undo: bool
    changed: bool
    add: list[str] | None
    remove: list[str] | None


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
        Meta(description="What stands in the way: paused, removals_paused, shadow, first_look.…, marked"),
    ]


class PersonalData(ResponseModel, frozen=True):
    """Everything that is stored of a customer, unmasked. `record` is null if the customer was never read."""

    org: str
    customer: int
    exported_at: str
    record: dict[str, Any] | None
    tags_we_own: dict[str, Any]
    holds: dict[str, Any]
    excluded_from: list[str]
    writes_under_way: dict[str, Any]
    to_restore: dict[str, Any]
    reverts: dict[str, Any]
    scheduled: str | None
    queued: bool
    manual_changes: list[dict[str, Any]]
    ledger: list[dict[str, Any]]
    dead_letters: list[dict[str, Any]]
    deliveries: list[dict[str, Any]]
    audit: list[dict[str, Any]]


class ErasureResponse(ResponseModel, frozen=True):
    """How much was erased. Delivery records that stay have the customer's id only, and expire by themselves."""

    customer: int
    known: bool
    ledger: int
    manual_changes: int
    deliveries: int
    remaining_deliveries: int


async def adopt_tag(context: Context, request: Request) -> ClaimResponse:
    """Take ownership of a tag that others added. From then on its rule also removes it.

    A worker executes it; `runs/{run}` has the progress. If the same adoption is still pending, the answer is its run.
    """
    body: AdoptRequest = request.model
    shop = await context.shops.get_or_raise(request.org)
    claim = await claims.plan_adoption(context, shop, body.tag, matching_only=body.matching_only)
    return await _claim(context, request, shop, claim, dry_run=body.dry_run)


async def retract_tag(context: Context, request: Request) -> ClaimResponse:
    """Remove a tag from all customers to whom we gave it, or restore it. Refused while a live rule would give it again.

    Beyond the publish guard it is refused with 409 unless `approve` is set. A worker executes it; `runs/{run}` has the progress. If the same retraction is still pending, the answer is its run.
    """
    body: RetractRequest = request.model
    shop = await context.shops.get_or_raise(request.org)
    plan = claims.plan_restoration if body.undo else claims.plan_retraction
    claim = await plan(context, shop, body.tag)
    return await _claim(context, request, shop, claim, dry_run=body.dry_run, approved=body.approve)


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
    data = explained.to_dict(words=translator_for(query.lang), tag=query.tag)
    return CustomerExplanation(**data | {"tags": [_renamed(tag) for tag in data["tags"]]})


async def export_customer(context: Context, request: Request) -> PersonalData:
    """Export everything that is stored of a customer, unmasked, also of an id that Haravan no longer has.

    The audit log names who asked. What Haravan has is not part of it.
    """
    shop = await context.shops.describe(request.org)
    customer = CustomerId(request.path["customer"])
    return PersonalData(**await export_personal_data(context, shop, customer, by=request.by))


async def erase_customer(context: Context, request: Request) -> ErasureResponse:
    """Erase everything that is stored of a customer. It can be repeated; nothing changes in Haravan.

    While Haravan has the customer, the next webhook or scan stores it again: to stop that, delete it there first.
    """
    shop = await context.shops.describe(request.org)
    customer = CustomerId(request.path["customer"])
    return to_model(await erase_personal_data(context, shop, customer, by=request.by), ErasureResponse)


async def _claim(
    context: Context, request: Request, shop: Shop, claim: Claim, *, dry_run: bool, approved: bool = False
) -> ClaimResponse:
    run = None
    if claim.new_owners and not dry_run:
        run = await claims.apply_claim(context, shop, claim, by=request.by, approved=approved)
    samples: list[int] = [int(each) for each in [*claim.new_owners][:MAX_SAMPLES]]
    model = None if run is None else to_model(run, RunModel)
    guarded = claim.guard is not None and claim.guard.needs_approval
    return ClaimResponse(claim.tag, claim.action, len(claim.new_owners), samples, guarded, model)


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

PERSONAL_DATA_EXAMPLE: Final[dict[str, Any]] = {
    "org": "1000114691",
    "customer": 1037889951,
    "exported_at": "2026-11-22T03:00:00+00:00",
    "record": {"id": 1037889951, "total_spent": 9660000, "tags": ["Khách sỉ"], "first_name": "An"},
    "tags_we_own": {},
    "holds": {},
    "excluded_from": ["vip"],
    "writes_under_way": {},
    "to_restore": {},
    "reverts": {},
    "scheduled": None,
    "queued": False,
    "manual_changes": [{"at": "2026-11-20T03:00:00+00:00", "change": "+Khách sỉ"}],
    "ledger": [],
    "dead_letters": [],
    "deliveries": [
        {"at": "2026-11-20T03:00:00+00:00", "topic": "orders/paid", "outcome": "marked", "bytes": 1204}
    ],
    "audit": [],
}

CLAIM_EXAMPLE: Final[dict[str, Any]] = {
    "tag": "VIP",
    "action": "adopt",
    "customers": 312,
    "samples": [1037889951, 1037890001],
    "needs_approval": False,
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
        role=Role.OPS,
    ),
    Endpoint(
        "POST",
        f"{RULES}/retract",
        retract_tag,
        ClaimResponse,
        CLAIM_EXAMPLE | {"action": "retract", "run": None},
        RetractRequest,
        {
            "count first": {"tag": "VIP", "dry_run": True},
            "do it": {"tag": "VIP"},
            "undo it": {"tag": "VIP", "undo": True},
        },
        cpu_bound=True,
        role=Role.OPS,
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
        role=Role.MARKETER,
    ),
    Endpoint(
        "GET",
        f"{CUSTOMER}/personal-data",
        export_customer,
        PersonalData,
        PERSONAL_DATA_EXAMPLE,
        cpu_bound=True,
        role=Role.OPS,
    ),
    Endpoint(
        "DELETE",
        f"{CUSTOMER}/personal-data",
        erase_customer,
        ErasureResponse,
        {
            "customer": 1037889951,
            "known": True,
            "ledger": 4,
            "manual_changes": 1,
            "deliveries": 3,
            "remaining_deliveries": 2,
        },
        cpu_bound=True,
        role=Role.OPS,
    ),
    Endpoint(
        "GET",
        CUSTOMER,
        explain_customer,
        CustomerExplanation,
        EXPLANATION_EXAMPLE,
        ExplainQuery,
        cpu_bound=True,
        role=Role.VIEWER,
    ),
)
