"""Leaving a customer alone with a rule, by hand: what that would change, and doing it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from arq.connections import ArqRedis

from service.context import Context
from service.domain.customers import CustomerId, OrgId
from service.domain.explain import explain_customer
from service.errors import NotFound
from service.operations import explain
from service.store.client import keys
from service.store.customers import decode_exclusions, encode_exclusions
from service.store.history import audit_log
from service.store.queue import dirty
from service.store.rules import Versions
from service.store.shops import Shop


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A customer left alone with a rule or tier, or no longer (`undo`); `news` is whether that is not so already.

    `add` and `remove`: what the customer's next turn would do then; None where we never looked at it.
    """

    customer: CustomerId
    rule: str
    undo: bool
    changed: bool
    add: tuple[str, ...] | None
    remove: tuple[str, ...] | None


async def plan_exclusion(
    context: Context, shop: Shop, customer: CustomerId, rule: str, *, undo: bool = False
) -> Exclusion:
    """Look at what it would change, and write nothing. Raises NotFound for a rule that is not there."""
    redis, versions = context.redis, context.versions
    now = await _excluded(redis, shop.org, customer)
    if rule not in (now if undo else await _known(versions, shop.org)):
        raise NotFound(f"shop {shop.org} has no rule or tier {rule!r}" + (" excluded there" if undo else ""))
    after = now - {rule} if undo else now | {rule}
    try:
        compiled, known = await explain.load_explanation(
            redis, shop, customer, versions=versions, now_ms=await context.now_ms()
        )
    except NotFound:
        return Exclusion(customer, rule, undo, after != now, None, None)
    told = explain_customer(compiled, replace(known, state=replace(known.state, excluded_rules=after)))
    return Exclusion(customer, rule, undo, after != now, told.add, told.remove)


async def apply_exclusion(context: Context, shop: Shop, exclusion: Exclusion, *, by: str) -> None:
    """Do it, and have the customer looked at; nothing where it is no news."""
    if not exclusion.changed:
        return
    redis = context.redis
    client: Any = redis
    customer, rule = exclusion.customer, exclusion.rule
    place, name = keys.shop(shop.org, "exclusions"), str(customer)
    now = await _excluded(redis, shop.org, customer)
    after = now - {rule} if exclusion.undo else now | {rule}
    if after:
        await client.hset(place, name, encode_exclusions(after))
    else:
        await client.hdel(place, name)
    what = "include" if exclusion.undo else "exclude"
    await audit_log.append(redis, shop.org, by=by, action=what, details={"customer": customer, "rule": rule})
    await dirty.mark_dirty_customers(redis, shop.org, [customer], cause="exclude", lane="live")


async def _excluded(redis: ArqRedis, org: OrgId, customer: CustomerId) -> frozenset[str]:
    client: Any = redis
    return decode_exclusions(await client.hget(keys.shop(org, "exclusions"), str(customer)))


async def _known(versions: Versions, org: OrgId) -> set[str]:
    """The ids of the live rules and tiers."""
    number = await versions.live_number(org)
    if not number:
        return set()
    rule_set = await versions.document(org, number)
    return {one.id for one in rule_set.all}
