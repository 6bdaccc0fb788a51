"""Claims: adopting tags that others added, retracting tags that we added, and restoring what was retracted.

A claim is planned for a preview, then stored as a pending job with a run. A worker plans it again and changes the
ownership in chunks, each under the shop's lease.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from service.context import Context
from service.cpu_pool import CpuRunner
from service.domain.access import Actor, Role
from service.domain.customers import Customer, CustomerId, OrgId, fold
from service.domain.decisions import (
    OWNERSHIP_CODEC,
    RESTORES_CODEC,
    CustomerState,
    Ownership,
    UndoRecord,
    decide_with_restores,
)
from service.domain.engine import CompiledRules, CompiledTier, TagStep
from service.domain.preview import Population, PublishGuard, check_limits
from service.errors import Refused, TaggerError
from service.publishing import first_look, load_population
from service.sentence import Sentence
from service.store.client import RedisClient, batched, keys
from service.store.customers import save_values, snapshots
from service.store.history import audit_log, ledger
from service.store.jobs import PendingJob, Run, pending, runs
from service.store.queue import LeaseManager, RateLimiter, dirty, wake_shop
from service.store.rules import RETRACTED_OWNER
from service.store.shops import Shop

ClaimAction = Literal["adopt", "retract", "restore"]

LEASE_TIMEOUT_S: Final = 20.0  # longer than the lease of a worker that died
RETRY_DELAY_S: Final = 0.02
MAX_RUNS: Final = 1_000  # in which a retraction is looked for
CLOCK_MARGIN_MS: Final = 3_600_000  # the server's clock may have been set back since the retraction


class LeaseUnavailable(TaggerError):
    """Another process holds the shop's lease."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A change of the ownership of one tag: the new owner of each customer's copy."""

    tag: str
    action: ClaimAction
    new_owners: Mapping[CustomerId, Ownership]
    matching_only: bool = False  # of an adoption
    guard: PublishGuard | None = None  # of a retraction: it removes tags as a publish does


class ClaimArgs(msgspec.Struct, frozen=True):
    """Arguments of the job `claim`."""

    tag: str
    action: ClaimAction
    matching_only: bool
    enrolled: bool = False  # all its customers are members of the run


async def plan_adoption(context: Context, shop: Shop, tag: str, *, matching_only: bool) -> Claim:
    """Find the customers whose copy of this tag was added by others.

    Raises Refused if no live rule sets the tag, and before the shop's first look is complete.

    `matching_only` selects the customers to whom the rules would give the tag now. For a tag of a tier, these are the
    customers whose level it is.
    """
    first_look.check_complete(shop)
    now_ms = await context.now_ms()
    compiled, population, version = await _load_population(context, shop, now_ms)
    key = fold(tag)
    step = next((step for step in compiled.steps if key in _tag_keys(step)), None)
    if step is None:
        raise Refused(
            Sentence(
                "no live rule of shop {org} sets the tag {tag!r}: there is nothing to adopt it for",
                org=shop.org,
                tag=tag,
            )
        )
    rule = step.rules[0].id if isinstance(step, TagStep) else step.id
    new_owners = {
        CustomerId(customer.id): Ownership(spelling, rule, now_ms, version, adopted=True)
        for customer, state in _customers(population)
        if key not in state.ownership
        and (spelling := _spelling(customer, key))
        and (not matching_only or key in _wanted_tags(compiled, customer, state, now_ms, version))
    }
    return Claim(tag, "adopt", new_owners, matching_only)


async def plan_retraction(context: Context, shop: Shop, tag: str) -> Claim:
    """Find the customers whose copy of this tag is ours.

    Raises Refused while a live rule would add the tag again, and before the shop's first look is complete.
    """
    first_look.check_complete(shop)
    compiled, population, _ = await _load_population(context, shop, await context.now_ms())
    key = fold(tag)
    setters = sorted(rule for rule, tags in compiled.tags_by_rule.items() if key in tags)
    if setters:
        raise Refused(
            Sentence(
                "the rule {rules} would give {tag!r} again: disable or delete it first, then retract",
                rules=", ".join(setters),
                tag=tag,
            )
        )
    new_owners = {
        CustomerId(customer.id): Ownership(
            state.ownership[key].tag, RETRACTED_OWNER, state.ownership[key].since_ms
        )
        for customer, state in _customers(population)
        if key in state.ownership
    }
    count, size = (
        len(new_owners),
        max(len(population), await snapshots.get_count(context.redis, shop.org) or 0),
    )
    return Claim(tag, "retract", new_owners, guard=check_limits(touched=count, removed=count, customers=size))


async def plan_restoration(context: Context, shop: Shop, tag: str) -> Claim:
    """Find the customers whose copy of this tag was retracted: an undo of `plan_retraction`.

    The tags become those of the rule that gave them last. Copies that somebody added again meanwhile stay theirs.
    Raises Refused if no retraction of this tag is known: runs are kept for 90 days.
    """
    first_look.check_complete(shop)
    redis, org, key, now_ms = context.redis, shop.org, fold(tag), await context.now_ms()
    started = [
        run.started_ms
        for run in await runs.latest(redis, org, limit=MAX_RUNS)
        if run.kind == "retract" and fold(run.reason) == fold(f"retract {tag}")
    ]
    rule, version = await _last_setter(context, org, key)
    if not started or not rule:
        raise Refused(
            Sentence(
                "no retraction of {tag!r} is known for shop {org}: there is nothing to restore",
                tag=tag,
                org=org,
            )
        )
    _, population, _ = await _load_population(context, shop, now_ms)
    new_owners = {
        CustomerId(customer.id): msgspec.structs.replace(own, rule=rule, version=version)
        for customer, state in _customers(population)
        if (own := state.ownership.get(key)) is not None and own.rule == RETRACTED_OWNER  # not removed yet
    }
    has_tag = {
        customer.id
        for customer, state in _customers(population)
        if key in state.ownership or _spelling(customer, key)
    }
    async for row in ledger.iterate(redis, org, after=str(min(started) - CLOCK_MARGIN_MS)):
        entry = row.entry
        if fold(entry.tag) != key or not entry.written or row.customer in has_tag:
            continue
        if entry.action == "-" and entry.rule == RETRACTED_OWNER:
            new_owners[row.customer] = Ownership(entry.tag, rule, now_ms, version)
        else:
            new_owners.pop(row.customer, None)
    return Claim(tag, "restore", new_owners)


async def apply_claim(
    context: Context, shop: Shop, claim: Claim, *, by: Actor, approved: bool = False
) -> Run | None:
    """Store the claim as a pending job and return its run. None if the claim has no customers.

    If the same claim is still pending, its run is returned and nothing is stored. Raises Refused if a retraction
    exceeds the publish guard and is not `approved`, Forbidden for an approval by a marketer.
    """
    if claim.guard is not None and claim.guard.needs_approval:
        if not approved:
            raise Refused(
                Sentence(
                    "this needs an approval: it removes {removed} tags, more than {most}",
                    removed=len(claim.new_owners),
                    most=min(claim.guard.most_customers, claim.guard.most_removed),
                )
            )
        by.require(Role.OPS, Sentence("approve a change beyond the guard"))
    redis, org = context.redis, shop.org
    if not claim.new_owners:
        return None
    if (run := await _pending_run(redis, org, claim)) is not None:
        return run
    run_id, now_ms = await runs.next_id(redis, org, claim.action), await context.now_ms()
    reason, args = f"{claim.action} {claim.tag}", ClaimArgs(claim.tag, claim.action, claim.matching_only)
    summary = Sentence(
        "tag {tag}, customers: {count}, run {run}", tag=claim.tag, count=len(claim.new_owners), run=run_id
    )
    async with (
        audit_log.recorded(redis, by, claim.action, org=org, summary=summary),
        redis.pipeline() as pipe,
    ):
        runs.queue_create(
            pipe, org, run_id, kind=claim.action, by=by.name, reason=reason, now_ms=now_ms, pending=1
        )
        pending.queue_save(pipe, PendingJob(org, "claim", run_id, msgspec.to_builtins(args)))
        await pipe.execute()
    return await runs.get(redis, org, run_id)


async def execute(
    context: Context, cpu: CpuRunner, job: PendingJob, *, lease_timeout_s: float = LEASE_TIMEOUT_S
) -> bool:
    """Change the ownership and enqueue the customers. False if the lease was not free: the job is tried again.

    The claim is planned again. A customer that is no longer part of it is enqueued, and keeps its ownership.
    """
    redis, org = context.redis, job.org
    args = msgspec.convert(job.args, ClaimArgs)
    claim = await cpu.run(_plan_again, org, args)
    customers = [*claim.new_owners]
    if not args.enrolled:
        await runs.add_members(redis, org, job.id, customers)
        args = msgspec.structs.replace(args, enrolled=True)
        await pending.save(redis, msgspec.structs.replace(job, args=msgspec.to_builtins(args)))
    elif not (await runs.get(redis, org, job.id)).ended:  # a later publish may have superseded the run
        customers = await runs.remaining(redis, org, job.id)
    if not await _apply(redis, org, job.id, claim, customers, lease_timeout_s=lease_timeout_s):
        return False
    async with redis.pipeline() as pipe:
        runs.queue_prepared(pipe, org, job.id)
        pending.queue_delete(pipe, job)
        await pipe.execute()
    return True


async def _load_population(
    context: Context, shop: Shop, now_ms: int
) -> tuple[CompiledRules, Population, int]:
    versions = context.versions
    number = await versions.live_number(shop.org)
    compiled = await versions.compiled(shop.org, number, timezone=shop.timezone, currency=shop.currency)
    population = await load_population(context.redis, shop.org, compiled, now_ms=now_ms, cipher=shop.cipher)
    return compiled, population, number


def _customers(population: Population) -> Iterator[tuple[Customer, CustomerState]]:
    return zip(population.customers, population.states, strict=True)


def _wanted_tags(
    compiled: CompiledRules, customer: Customer, state: CustomerState, now_ms: int, version: int
) -> frozenset[str]:
    """The tags (folded) that the rules would give."""
    decision = decide_with_restores(
        rules=compiled,
        customer=customer,
        state=state,
        today=compiled.local_day(now_ms),
        now_ms=now_ms,
        version=version,
    )
    return frozenset(map(fold, decision.wanted))


def _tag_keys(step: TagStep | CompiledTier) -> frozenset[str]:
    return frozenset({step.key}) if isinstance(step, TagStep) else frozenset(step.level_by_tag)


def _spelling(customer: Customer, key: str) -> str:
    """The tag as the customer has it, "" if the customer does not have it."""
    return next((tag for tag in customer.tags if fold(tag) == key), "")


async def _pending_run(redis: RedisClient, org: OrgId, claim: Claim) -> Run | None:
    """The run of the same claim, if it is still pending."""
    for job in await pending.list_jobs(redis, org):
        if job.kind == "claim":
            args = msgspec.convert(job.args, ClaimArgs)
            is_same = fold(args.tag) == fold(claim.tag) and args.action == claim.action
            if is_same and args.matching_only == claim.matching_only:
                return await runs.get(redis, org, job.id)
    return None


async def _plan_again(context: Context, org: OrgId, args: ClaimArgs) -> Claim:
    shop = await context.shops.get_or_raise(org)
    try:
        if args.action == "retract":
            return await plan_retraction(context, shop, args.tag)
        if args.action == "restore":
            return await plan_restoration(context, shop, args.tag)
        return await plan_adoption(context, shop, args.tag, matching_only=args.matching_only)
    except Refused:  # the rules have changed since the request
        return Claim(args.tag, args.action, {})


async def _apply(
    redis: RedisClient,
    org: OrgId,
    run_id: str,
    claim: Claim,
    customers: Sequence[CustomerId],
    *,
    lease_timeout_s: float,
) -> bool:
    """Change the owners chunk by chunk, each under the lease. False if the lease was not free in time.

    Without the lease, a drain could write back an ownership that it read before the change.
    """
    try:
        for chunk in batched(customers):
            async with _lease(redis, org, lease_timeout_s):
                await _set_owners(redis, org, claim, [each for each in chunk if each in claim.new_owners])
                await dirty.mark_dirty_customers(redis, org, chunk, cause=f"{claim.action}:{run_id}")
    except LeaseUnavailable:
        return False
    return True


async def _set_owners(redis: RedisClient, org: OrgId, claim: Claim, customers: Sequence[CustomerId]) -> None:
    if not customers:
        return
    client: Any = redis
    key, fields = fold(claim.tag), [str(customer) for customer in customers]
    stored = await client.hmget(keys.shop(org, "owned"), fields)
    changed: dict[int, bytes] = {}
    removed: list[CustomerId] = []
    for customer, packed in zip(customers, stored, strict=True):
        owned = OWNERSHIP_CODEC.decode(packed)
        if claim.action == "restore" and key not in owned:
            removed.append(customer)
        elif (claim.action == "adopt") is (key not in owned):
            changed[customer] = OWNERSHIP_CODEC.encode({**owned, key: claim.new_owners[customer]})
    await save_values(redis, org, "owned", changed)
    if removed:
        await _store_restores(redis, org, key, {customer: claim.new_owners[customer] for customer in removed})


async def _store_restores(
    redis: RedisClient, org: OrgId, key: str, owners: Mapping[CustomerId, Ownership]
) -> None:
    """The next decision about these customers adds the tag again, unless it has it by then."""
    client: Any = redis
    name, fields = keys.shop(org, "pending_restores"), [str(customer) for customer in owners]
    stored = await client.hmget(name, fields)
    packed = {
        int(customer): RESTORES_CODEC.encode({**RESTORES_CODEC.decode(before), key: UndoRecord(own.tag, own)})
        for (customer, own), before in zip(owners.items(), stored, strict=True)
    }
    await save_values(redis, org, "pending_restores", packed)


async def _last_setter(context: Context, org: OrgId, key: str) -> tuple[str, int]:
    """The id of the rule or tier that last gave a tag (folded), and its version. ("", 0) if none ever did."""
    for version in await context.versions.history(org):
        for rule in (await context.versions.document(org, version.number)).all:
            if key in map(fold, rule.tags):
                return rule.id, version.number
    return "", 0


@asynccontextmanager
async def _lease(redis: RedisClient, org: OrgId, timeout_s: float) -> AsyncIterator[None]:
    """Hold the shop's lease. Raises LeaseUnavailable."""
    manager = LeaseManager(redis, rate_limiter=RateLimiter(redis))
    lease = None
    for _ in range(int(timeout_s / RETRY_DELAY_S)):
        lease = await manager.acquire(org, token=f"claim-{secrets.token_hex(8)}")
        if lease is not None:
            break
        await asyncio.sleep(RETRY_DELAY_S)
    if lease is None:
        raise LeaseUnavailable(f"another process holds the lease of shop {org}")
    try:
        yield
    finally:
        wakeup = await lease.release(wait_ms=0, state={})
        if wakeup.number:
            await wake_shop(redis, org, number=wakeup.number, delay_s=wakeup.delay_ms / 1000)
