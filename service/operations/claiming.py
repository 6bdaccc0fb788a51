"""Claims by hand, carried out: ownership changes hands under the shop's lock, a chunk at a time, under a run.

A claim is a pending job: the request stores it with its run, and a worker executes it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from arq.connections import ArqRedis

from service.context import Context
from service.cpu_pool import CpuRunner
from service.domain.customers import CustomerId, OrgId, fold
from service.domain.decisions import OWNERSHIP_CODEC
from service.errors import Refused, TaggerError
from service.operations import claims
from service.operations.claims import Claim, What
from service.store.client import batched, keys
from service.store.history import audit_log
from service.store.jobs import PendingJob, Run, pending, runs
from service.store.queue import LeaseManager, RateLimiter, dirty, wake_shop
from service.store.shops import Shop

LEASE_TIMEOUT_S: Final = 20.0  # longer than the lock of a worker that died
RETRY_DELAY_S: Final = 0.02


class LeaseUnavailable(TaggerError):
    """The shop's lock could not be had."""


class ClaimArgs(msgspec.Struct, frozen=True):
    """Arguments of the job `claim`."""

    tag: str
    what: What
    matching_only: bool
    enrolled: bool = False  # all its customers are in the run


async def apply_claim(context: Context, shop: Shop, claim: Claim, *, by: str) -> Run | None:
    """Start a run for a worker to carry the claim out; None where there is nobody.

    The same claim that is still pending is not started twice: its run is the answer.
    """
    redis, org = context.redis, shop.org
    about: dict[str, Any] = {"tag": claim.tag, "customers": len(claim.new_owners)}
    if not claim.new_owners:
        await audit_log.append(redis, org, by=by, action=claim.what, details=about)
        return None
    if (started := await _pending(redis, org, claim)) is not None:
        return started
    run_id, now_ms = await runs.next_id(redis, org, claim.what), await context.now_ms()
    reason, args = f"{claim.what} {claim.tag}", ClaimArgs(claim.tag, claim.what, claim.matching_only)
    async with redis.pipeline() as pipe:
        runs.queue_create(pipe, org, run_id, kind=claim.what, by=by, reason=reason, now_ms=now_ms, pending=1)
        pending.queue_save(pipe, PendingJob(org, "claim", run_id, msgspec.to_builtins(args)))
        await pipe.execute()
    await audit_log.append(redis, org, by=by, action=claim.what, details=about | {"run": run_id})
    return await runs.get(redis, org, run_id)


async def execute(
    context: Context, cpu: CpuRunner, job: PendingJob, *, patience_s: float = LEASE_TIMEOUT_S
) -> bool:
    """Change the ownership and enqueue these customers; False where the shop is too busy, for another try.

    The claim is planned again: customers whose tag or rule went meanwhile are only looked at.
    """
    redis, org = context.redis, job.org
    args = msgspec.convert(job.args, ClaimArgs)
    claim = await cpu.run(_planned_again, org, args)
    customers = [*claim.new_owners]
    if not args.enrolled:
        await runs.add_members(redis, org, job.id, customers)
        args = msgspec.structs.replace(args, enrolled=True)
        await pending.save(redis, msgspec.structs.replace(job, args=msgspec.to_builtins(args)))
    elif not (await runs.get(redis, org, job.id)).ended:  # a publish that came since has ended its books
        customers = await runs.remaining(redis, org, job.id)
    if not await _hand_over(redis, org, job.id, claim, customers, patience_s=patience_s):
        return False
    async with redis.pipeline() as pipe:
        runs.queue_prepared(pipe, org, job.id)
        pending.queue_delete(pipe, job)
        await pipe.execute()
    return True


async def _pending(redis: ArqRedis, org: OrgId, claim: Claim) -> Run | None:
    """The run of the same claim, where no worker has finished it."""
    for job in await pending.list_jobs(redis, org):
        if job.kind == "claim":
            args = msgspec.convert(job.args, ClaimArgs)
            same = fold(args.tag) == fold(claim.tag) and args.what == claim.what
            if same and args.matching_only == claim.matching_only:
                return await runs.get(redis, org, job.id)
    return None


async def _planned_again(context: Context, org: OrgId, args: ClaimArgs) -> Claim:
    shop = await context.shops.get_or_raise(org)
    try:
        if args.what == "retract":
            return await claims.plan_retraction(context, shop, args.tag)
        return await claims.plan_adoption(context, shop, args.tag, matching_only=args.matching_only)
    except Refused:  # the rules are others by now
        return Claim(args.tag, args.what, {})


async def _hand_over(
    redis: ArqRedis,
    org: OrgId,
    run_id: str,
    claim: Claim,
    customers: Sequence[CustomerId],
    *,
    patience_s: float,
) -> bool:
    """Chunk by chunk under the lock, so that no drain writes back what it read before; marked before it is given up."""
    try:
        for chunk in batched(customers):
            async with _locked(redis, org, patience_s):
                await _own(redis, org, claim, [one for one in chunk if one in claim.new_owners])
                await dirty.mark_dirty_customers(redis, org, chunk, cause=f"{claim.what}:{run_id}")
    except LeaseUnavailable:
        return False
    return True


async def _own(redis: ArqRedis, org: OrgId, claim: Claim, customers: Sequence[CustomerId]) -> None:
    if not customers:
        return
    client: Any = redis
    key, names = fold(claim.tag), [str(one) for one in customers]
    packed = await client.hmget(keys.shop(org, "owned"), names)
    changed: dict[str, bytes] = {}
    for name, customer, stored in zip(names, customers, packed, strict=True):
        owned = OWNERSHIP_CODEC.decode(stored)
        if (claim.what == "adopt") is (key not in owned):
            changed[name] = OWNERSHIP_CODEC.encode({**owned, key: claim.new_owners[customer]})
    if changed:
        await client.hset(keys.shop(org, "owned"), mapping=changed)


@asynccontextmanager
async def _locked(redis: ArqRedis, org: OrgId, patience_s: float) -> AsyncIterator[None]:
    """The shop's lock; raises Busy."""
    turns = LeaseManager(redis, rate_limiter=RateLimiter(redis))
    turn = None
    for _ in range(int(patience_s / RETRY_DELAY_S)):
        turn = await turns.acquire(org, token=f"claim-{secrets.token_hex(8)}")
        if turn is not None:
            break
        await asyncio.sleep(RETRY_DELAY_S)
    if turn is None:
        raise LeaseUnavailable(f"shop {org} is busy")
    try:
        yield
    finally:
        ring = await turn.release(wait_ms=0, state={})
        if ring.number:
            await wake_shop(redis, org, number=ring.number, delay_s=ring.delay_ms / 1000)
