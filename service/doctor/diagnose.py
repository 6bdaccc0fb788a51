"""A diagnosis: read what Redis knows, and judge it."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

from redis.exceptions import RedisError

from service.context import Context
from service.doctor.findings import Finding, Report, Writer
from service.doctor.service_judgement import ServiceFacts, judge_service
from service.doctor.shop_judgement import ShopRules, judge_shop
from service.domain.customers import OrgId
from service.domain.engine import CompiledRules
from service.domain.explain import Translator
from service.domain.preview import count_values, lint_missing, lint_values
from service.errors import MalformedData, NotFound
from service.publishing import load_customers
from service.store.backup import BackupStatus, status
from service.store.history import load_webhook_report, store_changes
from service.store.jobs import last_heartbeat_ms
from service.store.servers import is_temporary
from service.store.shop_facts import ShopFacts, load_shop_facts
from service.store.shops import Shop
from service.store.topology import load_rewrite_state, load_status


async def diagnose(context: Context, words: Translator, *, deep: bool = False) -> Report:
    """Diagnose the service and every shop. `deep` also reads all snapshots of each shop, about a second for 100,000."""
    orgs = await context.shops.orgs()
    findings = [*await _diagnose_service(context, orgs, words)]
    for org in orgs:
        try:
            findings += (await diagnose_shop(context, org, words, deep=deep)).findings
        except NotFound:
            continue  # removed meanwhile
        except RedisError as exc:
            if not is_temporary(exc):
                raise
            continue  # the findings about the service name the server that is away
    return Report(tuple(findings))


async def diagnose_shop(context: Context, org: OrgId, words: Translator, *, deep: bool = False) -> Report:
    """Diagnose one shop. Raises NotFound."""
    described = await context.shops.describe(org)
    writer = Writer(words, org=org, timezone=described.timezone)
    facts = await load_shop_facts(context.redis, org)
    rules = await _load_rules(context, described, facts)
    try:
        shop = await context.shops.get_or_raise(org)
    except MalformedData:
        writer.alarm("keys_unreadable")
        shop = described
    if deep and rules.compiled is not None:
        rules = await _with_values(context, shop, rules, rules.compiled)
    first, *_ = context.shops.keyring.fingerprints or ("",)
    judge_shop(shop, facts, rules, settings=context.settings, first_fingerprint=first, writer=writer)
    return Report(tuple(writer.findings))


async def diagnose_service(context: Context, words: Translator) -> Report:
    """Diagnose the service without its shops."""
    return Report(await _diagnose_service(context, await context.shops.orgs(), words))


async def _diagnose_service(
    context: Context, orgs: tuple[OrgId, ...], words: Translator
) -> tuple[Finding, ...]:
    redis: Any = context.redis  # redis-py types its answers as "awaitable or not"
    info, (seconds, micros) = await _load_server(redis)
    server_s = int(seconds) + int(micros) / 1_000_000
    facts = ServiceFacts(
        now_ms=int(server_s * 1000),
        skew_s=time.time() - server_s,
        server=f"Valkey {info['valkey_version']}"
        if "valkey_version" in info
        else f"Redis {info.get('redis_version', '?')}",
        memory=str(info.get("used_memory_human", "?")),
        checks=(await load_status(redis, context.settings.durability)).checks,
        rewrite=await load_rewrite_state(redis),
        heartbeat_ms=await last_heartbeat_ms(redis),
        webhooks=await load_webhook_report(redis, orgs),
        shops=len(orgs),
        losses=tuple(await store_changes.load_recent(redis, now_ms=int(server_s * 1000))),
        backup=await _load_backup(redis),
    )
    writer = Writer(words)
    judge_service(facts, context.settings, writer)
    return tuple(writer.findings)


async def _load_server(redis: Any) -> tuple[dict[str, Any], tuple[int, int]]:
    """INFO and TIME of the first server that answers. Raises redis' errors if none does."""
    *others, last = await redis.servers()
    for server in others:
        with suppress(RedisError):
            return await server.info(), await server.time()
    return await last.info(), await last.time()


async def _load_backup(redis: Any) -> BackupStatus | None:
    """The last backup. None, too, if the server that knows it is away."""
    try:
        return await status.load(redis)
    except RedisError as exc:
        if not is_temporary(exc):
            raise
        return None


async def _load_rules(context: Context, shop: Shop, facts: ShopFacts) -> ShopRules:
    if not facts.live_version:
        return ShopRules()
    try:
        version = await context.versions.get(shop.org, facts.live_version)
        compiled = await context.versions.compiled(
            shop.org, version.number, timezone=shop.timezone, currency=shop.currency
        )
    except (MalformedData, NotFound):
        return ShopRules(is_readable=False)
    is_sample = facts.known > len(facts.sample)
    return ShopRules(
        version=version,
        compiled=compiled,
        sampled=len(facts.sample) if is_sample else 0,
        missing=lint_missing(compiled, facts.sample),
    )


async def _with_values(context: Context, shop: Shop, rules: ShopRules, compiled: CompiledRules) -> ShopRules:
    """The same from all customers: fields that records lack, and values that nobody has."""
    customers = await load_customers(context.redis, shop)
    if not customers:
        return rules
    counts = count_values(compiled.rule_set, customers)
    return replace(
        rules,
        sampled=0,
        missing=lint_missing(compiled, customers),
        values=lint_values(compiled, counts, org=shop.org),
    )
