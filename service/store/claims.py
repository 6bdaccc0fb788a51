"""Claims by hand: adopting tags that are there already, and taking back tags that we gave."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from arq.connections import ArqRedis

from service.domain.customers import Customer, CustomerId, OrgId
from service.domain.decision import decide
from service.domain.evaluation import Compiled, CompiledTier, TagStep
from service.domain.facts import fold
from service.domain.population import Population
from service.domain.standing import Owned, Standing, pack_owned, unpack_owned
from service.errors import Refused
from service.store import audit, keys, marks, previews, queue, runs
from service.store.bucket import Bucket
from service.store.runs import Run
from service.store.shop import Shop
from service.store.stepping import chunks
from service.store.turns import Turns
from service.store.versions import RETRACTED, Versions

AT_ONCE: Final = 500  # customers, while no drain can work
PATIENCE_S: Final = 20.0  # longer than the lock of a worker that died
PAUSE_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose ownership of a tag would change, and to what."""

    tag: str
    what: str  # `adopt` or `retract`
    version: int
    owners: Mapping[CustomerId, Owned]


async def plan_adoption(
    redis: ArqRedis, shop: Shop, tag: str, *, matching_only: bool, versions: Versions, now_ms: int
) -> Claim:
    """Who has this tag from somebody else, so that it can become ours; Refused when no live rule sets it.

    `matching_only`: of those to whom the rules would give it now, in a tier as the level that they would give.
    """
    compiled, people, version = await _people(redis, shop, versions, now_ms)
    key = fold(tag)
    step = next((one for one in compiled.steps if key in _keys(one)), None)
    if step is None:
        raise Refused(
            f"no live rule of shop {shop.org} sets the tag {tag!r}: there is nothing to adopt it for"
        )
    rule = step.rules[0].id if isinstance(step, TagStep) else step.id
    found = {
        CustomerId(customer.id): Owned(spelled, rule, now_ms, version, adopted=True)
        for customer, standing in _all(people)
        if key not in standing.owned
        and (spelled := _spelled(customer, key))
        and (not matching_only or key in _wanted(compiled, customer, standing, now_ms, version))
    }
    return Claim(tag, "adopt", version, found)


async def plan_retraction(redis: ArqRedis, shop: Shop, tag: str, *, versions: Versions, now_ms: int) -> Claim:
    """Who has this tag from us, to have it removed; Refused while a live rule would give it again."""
    compiled, people, version = await _people(redis, shop, versions, now_ms)
    key = fold(tag)
    setters = sorted(one for one, keys_ in compiled.live.items() if key in keys_)
    if setters:
        raise Refused(
            f"the rule {', '.join(setters)} would give {tag!r} again: disable or delete it first, then retract"
        )
    found = {
        CustomerId(customer.id): Owned(standing.owned[key].tag, RETRACTED, standing.owned[key].since_ms)
        for customer, standing in _all(people)
        if key in standing.owned
    }
    return Claim(tag, "retract", version, found)


async def carry_out(redis: ArqRedis, shop: Shop, claim: Claim, *, by: str, now_ms: int) -> Run | None:
    """Change the ownership and have these customers looked at; None where there are none."""
    about: dict[str, Any] = {"tag": claim.tag, "customers": len(claim.owners)}
    await audit.record(redis, shop.org, by=by, what=claim.what, about=about)
    customers = [*claim.owners]
    for chunk in chunks(customers, AT_ONCE):
        async with _locked(redis, shop.org):
            await _own(redis, shop.org, claim, chunk)
    if not customers:
        return None
    reason = f"{claim.what} {claim.tag}"
    return await runs.start(redis, shop.org, customers, kind="publish", by=by, reason=reason, now_ms=now_ms)


async def _own(redis: ArqRedis, org: OrgId, claim: Claim, customers: Sequence[CustomerId]) -> None:
    """Under the lock. The marks void plans that were made with the older ownership, before the lock is given up."""
    client: Any = redis
    key, names = fold(claim.tag), [str(one) for one in customers]
    packed = await client.hmget(keys.shop(org, "owned"), names)
    changed: dict[str, bytes] = {}
    for name, customer, stored in zip(names, customers, packed, strict=True):
        owned = unpack_owned(stored or b"")
        if (claim.what == "adopt") is (key not in owned):
            changed[name] = pack_owned({**owned, key: claim.owners[customer]})
    if changed:
        await client.hset(keys.shop(org, "owned"), mapping=changed)
    await marks.mark_customers(redis, org, customers, cause=claim.what)


@asynccontextmanager
async def _locked(redis: ArqRedis, org: OrgId) -> AsyncIterator[None]:
    """The shop's lock, so that no drain writes back what it read before; raises Refused."""
    turns = Turns(redis, bucket=Bucket(redis))
    turn = None
    for _ in range(int(PATIENCE_S / PAUSE_S)):
        turn = await turns.begin(org, token=f"claim-{secrets.token_hex(8)}")
        if turn is not None:
            break
        await asyncio.sleep(PAUSE_S)
    if turn is None:
        raise Refused(f"shop {org} is busy; try again")
    try:
        yield
    finally:
        ring = await turn.release(wait_ms=0, state={})
        if ring.number:
            await queue.ring(redis, org, number=ring.number, delay_s=ring.delay_ms / 1000)


async def _people(
    redis: ArqRedis, shop: Shop, versions: Versions, now_ms: int
) -> tuple[Compiled, Population, int]:
    number = await versions.live_number(shop.org)
    compiled = await versions.compiled(shop.org, number, timezone=shop.timezone, currency=shop.currency)
    return compiled, await previews.gather(redis, shop.org, compiled, now_ms=now_ms), number


def _all(people: Population) -> Iterator[tuple[Customer, Standing]]:
    return zip(people.customers, people.standings, strict=True)


def _wanted(
    compiled: Compiled, customer: Customer, standing: Standing, now_ms: int, version: int
) -> frozenset[str]:
    """The tags (folded) that the rules would give."""
    decided = decide(
        compiled=compiled,
        customer=customer,
        standing=standing,
        today=compiled.day_of(now_ms),
        now_ms=now_ms,
        version=version,
    )
    return frozenset(map(fold, decided.wanted))


def _keys(step: TagStep | CompiledTier) -> frozenset[str]:
    return frozenset({step.key}) if isinstance(step, TagStep) else frozenset(step.keys)


def _spelled(customer: Customer, key: str) -> str:
    """The tag as the record has it, "" where it does not."""
    return next((tag for tag in customer.tags if fold(tag) == key), "")
