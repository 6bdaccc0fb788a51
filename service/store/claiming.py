"""Claims by hand, carried out: ownership changes hands under the shop's lock, a chunk at a time, under a run."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from arq.connections import ArqRedis

from service.domain.customers import CustomerId, OrgId
from service.domain.standing import pack_owned, unpack_owned
from service.domain.tags import fold
from service.errors import Refused, TaggerError
from service.store import audit, claims, keys, marks, queue, runs
from service.store.bucket import Bucket
from service.store.claims import Claim, What
from service.store.runs import Run
from service.store.shop import Shop
from service.store.stepping import chunks
from service.store.turns import Turns
from service.store.versions import Versions

PATIENCE_S: Final = 20.0  # longer than the lock of a worker that died
PAUSE_S: Final = 0.02
KIND: Final = "publish"  # a run of that kind explains why tags go


class Busy(TaggerError):
    """The shop's lock could not be had."""


class Begun(msgspec.Struct, frozen=True):
    """What somebody who goes on with a claim must know."""

    tag: str
    what: What
    matching_only: bool
    at_ms: int  # when somebody was last at it
    enrolled: bool  # everybody whom it is about stands in the run


async def carry_out(
    redis: ArqRedis,
    shop: Shop,
    claim: Claim,
    *,
    by: str,
    now_ms: int,
    patience_s: float = PATIENCE_S,
    on_claimed: Callable[[int], None] = lambda _: None,
) -> Run | None:
    """Change the ownership and have these customers looked at; None where there are none.

    The run is there from the beginning, with everybody in it. Should this process die, or the shop be too busy, the
    sweep goes on with it. `on_claimed` hears how many are done so far.
    """
    customers = [*claim.owners]
    about: dict[str, Any] = {"tag": claim.tag, "customers": len(customers)}
    if not customers:
        await audit.record(redis, shop.org, by=by, what=claim.what, about=about)
        return None
    reason = f"{claim.what} {claim.tag}"
    run_id = await runs.begin(redis, shop.org, kind=KIND, by=by, reason=reason, now_ms=now_ms)
    begun = Begun(claim.tag, claim.what, claim.matching_only, now_ms, enrolled=False)
    await _note(redis, shop.org, run_id, begun)
    await audit.record(redis, shop.org, by=by, what=claim.what, about=about | {"run": run_id})
    await runs.enrol(redis, shop.org, run_id, customers)
    begun = msgspec.structs.replace(begun, enrolled=True)
    await _hand_over(
        redis, shop.org, run_id, claim, customers, begun, patience_s=patience_s, on_claimed=on_claimed
    )
    return await runs.get(redis, shop.org, run_id)


async def finish(redis: ArqRedis, shop: Shop, *, versions: Versions, now_ms: int) -> list[Run]:
    """Go on with claims that nobody has been at for a while."""
    client: Any = redis
    found = await client.hgetall(keys.shop(shop.org, "claims"))
    return [
        await _go_on(redis, shop, name.decode(), begun, versions=versions, now_ms=now_ms)
        for name, packed in found.items()
        if now_ms - (begun := msgspec.json.decode(packed, type=Begun)).at_ms >= runs.STILL_AT_IT_MS
    ]


async def _go_on(
    redis: ArqRedis, shop: Shop, run_id: str, begun: Begun, *, versions: Versions, now_ms: int
) -> Run:
    """By what is so now: whose tag went meanwhile, or whose rule did, is only looked at."""
    begun = msgspec.structs.replace(begun, at_ms=now_ms)
    await _note(redis, shop.org, run_id, begun)
    claim = await _planned_again(redis, shop, begun, versions=versions, now_ms=now_ms)
    customers = [*claim.owners]
    if not begun.enrolled:
        await runs.enrol(redis, shop.org, run_id, customers)
    elif not (await runs.get(redis, shop.org, run_id)).ended:  # a publish that came since has ended its books
        customers = await runs.left(redis, shop.org, run_id)
    begun = msgspec.structs.replace(begun, enrolled=True)
    await _hand_over(redis, shop.org, run_id, claim, customers, begun)
    return await runs.get(redis, shop.org, run_id)


async def _planned_again(
    redis: ArqRedis, shop: Shop, begun: Begun, *, versions: Versions, now_ms: int
) -> Claim:
    try:
        if begun.what == "retract":
            return await claims.plan_retraction(redis, shop, begun.tag, versions=versions, now_ms=now_ms)
        return await claims.plan_adoption(
            redis, shop, begun.tag, matching_only=begun.matching_only, versions=versions, now_ms=now_ms
        )
    except Refused:  # the rules are others by now
        return Claim(begun.tag, begun.what, {})


async def _hand_over(
    redis: ArqRedis,
    org: OrgId,
    run_id: str,
    claim: Claim,
    customers: Sequence[CustomerId],
    begun: Begun,
    *,
    patience_s: float = PATIENCE_S,
    on_claimed: Callable[[int], None] = lambda _: None,
) -> None:
    """Chunk by chunk under the lock, so that no drain writes back what it read before; marked before it is given up."""
    client: Any = redis
    began, done = time.monotonic(), 0
    try:
        for chunk in chunks(customers):
            at_ms = begun.at_ms + int((time.monotonic() - began) * 1000)
            await _note(redis, org, run_id, msgspec.structs.replace(begun, at_ms=at_ms))
            async with _locked(redis, org, patience_s):
                await _own(redis, org, claim, [one for one in chunk if one in claim.owners])
                await marks.mark_customers(redis, org, chunk, cause=f"{KIND}:{run_id}")
            done += len(chunk)
            on_claimed(done)
    except Busy:  # the sweep goes on with it
        return
    await client.hdel(keys.shop(org, "claims"), run_id)


async def _note(redis: ArqRedis, org: OrgId, run_id: str, begun: Begun) -> None:
    client: Any = redis
    await client.hset(keys.shop(org, "claims"), run_id, msgspec.json.encode(begun))


async def _own(redis: ArqRedis, org: OrgId, claim: Claim, customers: Sequence[CustomerId]) -> None:
    if not customers:
        return
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


@asynccontextmanager
async def _locked(redis: ArqRedis, org: OrgId, patience_s: float) -> AsyncIterator[None]:
    """The shop's lock; raises Busy."""
    turns = Turns(redis, bucket=Bucket(redis))
    turn = None
    for _ in range(int(patience_s / PAUSE_S)):
        turn = await turns.begin(org, token=f"claim-{secrets.token_hex(8)}")
        if turn is not None:
            break
        await asyncio.sleep(PAUSE_S)
    if turn is None:
        raise Busy(f"shop {org} is busy")
    try:
        yield
    finally:
        ring = await turn.release(wait_ms=0, state={})
        if ring.number:
            await queue.ring(redis, org, number=ring.number, delay_s=ring.delay_ms / 1000)
