"""Claims: take ownership of a tag, or remove it everywhere. These endpoints are CPU work and run in the pool."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from service.context import Context
from service.domain.access import Role
from service.operations import Claim, claims
from service.store.shops import Shop
from service.web.ops.activity import RUN_EXAMPLE, RunModel, to_run_model
from service.web.ops.contract import RULES_PATH, Endpoint, Request, RequestModel, ResponseModel

MAX_SAMPLES: Final = 20
Tag = Annotated[str, Meta(min_length=1, max_length=200, description="Case does not matter")]


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

    Beyond the publish guard it is refused with 409 unless `approve` is set. A worker executes it; `runs/{run}` has the
    progress. If the same retraction is still pending, the answer is its run.
    """
    body: RetractRequest = request.model
    shop = await context.shops.get_or_raise(request.org)
    plan = claims.plan_restoration if body.undo else claims.plan_retraction
    claim = await plan(context, shop, body.tag)
    return await _claim(context, request, shop, claim, dry_run=body.dry_run, approved=body.approve)


async def _claim(
    context: Context, request: Request, shop: Shop, claim: Claim, *, dry_run: bool, approved: bool = False
) -> ClaimResponse:
    run = None
    if claim.new_owners and not dry_run:
        run = await claims.apply_claim(context, shop, claim, by=request.by, approved=approved)
    samples: list[int] = [int(each) for each in [*claim.new_owners][:MAX_SAMPLES]]
    model = None if run is None else to_run_model(run)
    guarded = claim.guard is not None and claim.guard.needs_approval
    return ClaimResponse(claim.tag, claim.action, len(claim.new_owners), samples, guarded, model)


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


ENDPOINTS: Final = (
    Endpoint(
        "POST",
        f"{RULES_PATH}/adopt",
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
        f"{RULES_PATH}/retract",
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
)
