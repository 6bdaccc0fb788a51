"""Exclusions: a rule or tier neither adds nor removes its tags at an excluded customer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from service.context import Context
from service.domain.access import Actor
from service.domain.customers import CustomerId, OrgId
from service.domain.explain import explain_customer
from service.errors import NotFound
from service.operations.customers.explain import load_explanation
from service.sentence import Sentence
from service.store.client import RedisClient, keys, scan_hash
from service.store.customers import decode_exclusions, encode_exclusions
from service.store.history import audit_log
from service.store.queue import dirty
from service.store.rules import Versions
from service.store.shops import Shop


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A customer to be excluded from a rule or tier, or to be included again (`undo`).

    `add` and `remove` are the tags that then change; None if the customer was never evaluated.
    """

    customer: CustomerId
    rule: str
    undo: bool
    changed: bool  # False if the customer is already excluded, or already included
    add: tuple[str, ...] | None
    remove: tuple[str, ...] | None


async def plan_exclusion(
    context: Context, shop: Shop, customer: CustomerId, rule: str, *, undo: bool = False
) -> Exclusion:
    """Find out what the exclusion changes; writes nothing. Raises NotFound if there is no such rule or exclusion."""
    before = await _excluded_rules(context.redis, shop.org, customer)
    if rule not in (before if undo else await _rule_ids(context.versions, shop.org)):
        raise NotFound(
            Sentence(
                "customer {customer} is not excluded from a rule or tier {rule!r}",
                customer=customer,
                rule=rule,
            )
            if undo
            else Sentence("shop {org} has no rule or tier {rule!r}", org=shop.org, rule=rule)
        )
    after = before - {rule} if undo else before | {rule}
    try:
        compiled, given = await load_explanation(context, shop, customer)
    except NotFound:
        return Exclusion(customer, rule, undo, after != before, None, None)
    explanation = explain_customer(compiled, replace(given, state=replace(given.state, excluded_rules=after)))
    return Exclusion(customer, rule, undo, after != before, explanation.add, explanation.remove)


async def apply_exclusion(context: Context, shop: Shop, exclusion: Exclusion, *, by: Actor) -> None:
    """Store the exclusion and enqueue the customer. Does nothing if it changes nothing."""
    if not exclusion.changed:
        return
    redis = context.redis
    client: Any = redis
    customer, rule = exclusion.customer, exclusion.rule
    key, field = keys.shop(shop.org, "exclusions"), str(customer)
    before = await _excluded_rules(redis, shop.org, customer)
    after = before - {rule} if exclusion.undo else before | {rule}
    action = "include" if exclusion.undo else "exclude"
    summary = Sentence("customer {customer}, rule {rule}", customer=customer, rule=rule)
    async with audit_log.recorded(redis, by, action, org=shop.org, summary=summary):
        if after:
            await client.hset(key, field, encode_exclusions(after))
        else:
            await client.hdel(key, field)
    await dirty.mark_dirty_customers(redis, shop.org, [customer], cause="exclude", lane="live")


async def list_exclusions(context: Context, org: OrgId) -> dict[CustomerId, frozenset[str]]:
    """Every customer that is excluded from a rule or tier, by id, with the rules."""
    excluded: dict[CustomerId, frozenset[str]] = {}
    async for page in scan_hash(context.redis, keys.shop(org, "exclusions")):
        excluded |= {CustomerId(int(name)): decode_exclusions(packed) for name, packed in page.items()}
    return dict(sorted(excluded.items()))


async def _excluded_rules(redis: RedisClient, org: OrgId, customer: CustomerId) -> frozenset[str]:
    client: Any = redis
    return decode_exclusions(await client.hget(keys.shop(org, "exclusions"), str(customer)))


async def _rule_ids(versions: Versions, org: OrgId) -> set[str]:
    """The ids of the live rules and tiers."""
    number = await versions.live_number(org)
    if not number:
        return set()
    rule_set = await versions.document(org, number)
    return {rule.id for rule in rule_set.all}
