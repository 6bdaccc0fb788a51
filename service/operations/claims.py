"""Claims by hand, planned: adopting tags that are there already, and taking back tags that we gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from service.context import Context
from service.domain.customers import Customer, CustomerId, fold
from service.domain.decisions import CustomerState, Ownership, decide_with_restores
from service.domain.engine import CompiledRules, CompiledTier, TagStep
from service.domain.preview import Population
from service.errors import Refused
from service.publishing import preview
from service.store.rules import RETRACTED_OWNER
from service.store.shops import Shop

What = Literal["adopt", "retract"]


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose ownership of a tag would change, and to what."""

    tag: str
    what: What
    new_owners: Mapping[CustomerId, Ownership]
    matching_only: bool = False  # of an adoption


async def plan_adoption(context: Context, shop: Shop, tag: str, *, matching_only: bool) -> Claim:
    """Who has this tag from somebody else, so that it can become ours; Refused when no live rule sets it.

    `matching_only`: of those to whom the rules would give it now, in a tier as the level that they would give.
    """
    now_ms = await context.now_ms()
    compiled, people, version = await _people(context, shop, now_ms)
    key = fold(tag)
    step = next((one for one in compiled.steps if key in _keys(one)), None)
    if step is None:
        raise Refused(
            f"no live rule of shop {shop.org} sets the tag {tag!r}: there is nothing to adopt it for"
        )
    rule = step.rules[0].id if isinstance(step, TagStep) else step.id
    found = {
        CustomerId(customer.id): Ownership(spelled, rule, now_ms, version, adopted=True)
        for customer, standing in _all(people)
        if key not in standing.ownership
        and (spelled := _spelled(customer, key))
        and (not matching_only or key in _wanted(compiled, customer, standing, now_ms, version))
    }
    return Claim(tag, "adopt", found, matching_only)


async def plan_retraction(context: Context, shop: Shop, tag: str) -> Claim:
    """Who has this tag from us, to have it removed; Refused while a live rule would give it again."""
    compiled, people, _ = await _people(context, shop, await context.now_ms())
    key = fold(tag)
    setters = sorted(one for one, keys_ in compiled.tags_by_rule.items() if key in keys_)
    if setters:
        raise Refused(
            f"the rule {', '.join(setters)} would give {tag!r} again: disable or delete it first, then retract"
        )
    found = {
        CustomerId(customer.id): Ownership(
            standing.ownership[key].tag, RETRACTED_OWNER, standing.ownership[key].since_ms
        )
        for customer, standing in _all(people)
        if key in standing.ownership
    }
    return Claim(tag, "retract", found)


async def _people(context: Context, shop: Shop, now_ms: int) -> tuple[CompiledRules, Population, int]:
    versions = context.versions
    number = await versions.live_number(shop.org)
    compiled = await versions.compiled(shop.org, number, timezone=shop.timezone, currency=shop.currency)
    return compiled, await preview.load_population(context.redis, shop.org, compiled, now_ms=now_ms), number


def _all(people: Population) -> Iterator[tuple[Customer, CustomerState]]:
    return zip(people.customers, people.states, strict=True)


def _wanted(
    compiled: CompiledRules, customer: Customer, standing: CustomerState, now_ms: int, version: int
) -> frozenset[str]:
    """The tags (folded) that the rules would give."""
    decided = decide_with_restores(
        rules=compiled,
        customer=customer,
        state=standing,
        today=compiled.local_day(now_ms),
        now_ms=now_ms,
        version=version,
    )
    return frozenset(map(fold, decided.wanted))


def _keys(step: TagStep | CompiledTier) -> frozenset[str]:
    return frozenset({step.key}) if isinstance(step, TagStep) else frozenset(step.level_by_tag)


def _spelled(customer: Customer, key: str) -> str:
    """The tag as the record has it, "" where it does not."""
    return next((tag for tag in customer.tags if fold(tag) == key), "")
