"""Operations on customers by hand: adopting, retracting, excluding, explaining. Work for the process beside the web's."""

from __future__ import annotations

from typing import Final, Literal, cast

from msgspec import UNSET

from service.domain.customers import CustomerId
from service.locales import words
from service.store import claiming, claims, exclusions, explaining
from service.store.claims import Claim
from service.store.shop import Shop
from service.web.ops.claim_models import (
    Adopting,
    Claimed,
    Excluded,
    Excluding,
    ExplainedCustomer,
    ExplainQuery,
    Retracting,
)
from service.web.ops.floor import Floor, line
from service.web.ops.models import RunLine
from service.web.ops.questions import Call

SAMPLES: Final = 20


async def adopt_tag(floor: Floor, call: Call) -> Claimed:
    """Make copies of a tag ours that somebody else put on: from then on the rule removes them too."""
    asked = cast("Adopting", call.asked)
    shop = await floor.shops.require(call.org)
    claim = await claims.plan_adoption(
        floor.redis,
        shop,
        asked.tag,
        matching_only=asked.matching_only,
        versions=floor.versions,
        now_ms=await floor.now_ms(),
    )
    return await _claimed(floor, call, shop, claim, "adopt", dry_run=asked.dry_run)


async def retract_tag(floor: Floor, call: Call) -> Claimed:
    """Remove a tag from whoever has it from us; refused while a live rule would give it again."""
    asked = cast("Retracting", call.asked)
    shop = await floor.shops.require(call.org)
    claim = await claims.plan_retraction(
        floor.redis, shop, asked.tag, versions=floor.versions, now_ms=await floor.now_ms()
    )
    return await _claimed(floor, call, shop, claim, "retract", dry_run=asked.dry_run)


async def exclude_customer(floor: Floor, call: Call) -> Excluded:
    """Leave a customer alone with a rule: it neither gives nor removes its tag there."""
    asked = cast("Excluding", call.asked)
    shop = await floor.shops.require(call.org)
    planned = await exclusions.plan(
        floor.redis,
        shop,
        CustomerId(call.path["customer"]),
        asked.rule,
        versions=floor.versions,
        now_ms=await floor.now_ms(),
        undo=asked.undo,
    )
    if not asked.dry_run:
        await exclusions.carry_out(floor.redis, shop, planned, by=call.by)
    return line(planned, Excluded)


async def explain_customer(floor: Floor, call: Call) -> ExplainedCustomer:
    """Why a customer has its tags or not, by what we have stored: Haravan is asked nothing."""
    asked = cast("ExplainQuery", call.asked)
    told = await explaining.explain(
        floor.redis,
        await floor.shops.require(call.org),
        CustomerId(call.path["customer"]),
        versions=floor.versions,
        now_ms=await floor.now_ms(),
        on=None if asked.on is UNSET else asked.on,
        number=0 if asked.version is UNSET else asked.version,
    )
    return ExplainedCustomer(**told.data(words=words(asked.lang), tag=asked.tag))


async def _claimed(
    floor: Floor, call: Call, shop: Shop, claim: Claim, what: Literal["adopt", "retract"], *, dry_run: bool
) -> Claimed:
    run = None
    if claim.owners and not dry_run:
        run = await claiming.carry_out(floor.redis, shop, claim, by=call.by, now_ms=await floor.now_ms())
    samples: list[int] = [int(each) for each in [*claim.owners][:SAMPLES]]
    told = None if run is None else line(run, RunLine)
    return Claimed(claim.tag, what, len(claim.owners), samples, told)
