"""Previews: load all known customers of a shop, and report what rules would change for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from service.domain.customers import Customer, CustomerId, OrgId
from service.domain.decisions import EMPTY_STATE, CustomerState, RestoresByCustomer, merge_restores
from service.domain.engine import CompiledRules
from service.domain.preview import (
    LintWarning,
    Population,
    Preview,
    PublishGuard,
    WriteCost,
    check_guard,
    count_values,
    estimate_cost,
    lint,
    lint_coverage,
    lint_leftovers,
    lint_matches,
    lint_missing,
    lint_own_spellings,
    lint_spellings,
    lint_values,
    preview,
)
from service.domain.rules import Field
from service.domain.sync import REVERTS_CODEC, suppressed_tags
from service.errors import MalformedData
from service.store.client import RedisClient, keys, scan_hash
from service.store.customers import PERSONAL_KEYS, kept_fields, read_snapshot, to_state
from service.store.encryption import ShopCipher
from service.store.shops import Shop

NO_RESTORES: Final[RestoresByCustomer] = {}
STATE_HASHES: Final = ("owned", "holds", "exclusions", "pending_restores")


@dataclass(frozen=True, slots=True)
class PreviewReport:
    """A preview with its API cost, its guard, and the warnings about the rules."""

    preview: Preview
    cost: WriteCost
    guard: PublishGuard
    warnings: tuple[LintWarning, ...]
    unscanned: int | None  # customers of the shop without a snapshot; None if the shop was never counted

    @property
    def customers(self) -> int:
        """The size of the shop, as far as it is known."""
        return self.preview.customers + (self.unscanned or 0)

    @property
    def summary(self) -> dict[str, Any]:
        """The numbers that are stored with a published version."""
        return {
            "customers": self.preview.customers,
            "touched": self.preview.touched,
            "added": self.preview.added,
            "removed": self.preview.removed,
            "calls": self.cost.calls,
            "seconds": self.cost.seconds,
        }


async def load_population(
    redis: RedisClient,
    org: OrgId,
    compiled: CompiledRules,
    *,
    now_ms: int,
    cipher: ShopCipher,
    restores: RestoresByCustomer = NO_RESTORES,
) -> Population:
    """All customers with a snapshot, except unreadable ones: the next reading of the customer replaces those.

    `cipher` opens their personal fields, if the rules read one. `restores` are the tags that these rules, as a
    roll-back, restore.
    """
    population, _ = await load_population_and_unreadable(
        redis, org, compiled, now_ms=now_ms, cipher=cipher, restores=restores
    )
    return population


async def load_population_and_unreadable(
    redis: RedisClient,
    org: OrgId,
    compiled: CompiledRules,
    *,
    now_ms: int,
    cipher: ShopCipher,
    restores: RestoresByCustomer = NO_RESTORES,
    on_read: Callable[[int], Awaitable[None]] | None = None,
) -> tuple[Population, list[CustomerId]]:
    """The population, and the customers whose snapshot is unreadable, or lacks a field that the rules read.

    The latter are in the population, too: the rules that read the field decide nothing for them. `on_read` gets the
    number of customers that were read so far.
    """
    opener = cipher if compiled.required_keys & PERSONAL_KEYS else None
    needed = kept_fields(compiled.required_keys)
    lacking: set[int] = set()
    hashes = {name: await _load_hash(redis, org, name) for name in STATE_HASHES}
    readable: dict[int, tuple[Customer, CustomerState]] = {}  # by id: a scan may return a customer twice
    ids: set[int] = set()
    async for page in scan_hash(redis, keys.shop(org, "snapshots")):
        page_ids = set(map(int, page))
        for customer, state, kept in _decode_page(page, hashes, opener, needed):
            readable[customer.id] = customer, state
            if not needed <= kept:
                lacking.add(customer.id)
        for customer_id in restores.keys() & page_ids & readable.keys():
            customer, state = readable[customer_id]
            merged = merge_restores(state.restores, restores[customer_id], undone=compiled.rolled_back)
            readable[customer_id] = customer, replace(state, restores=merged)
        ids |= page_ids
        if on_read is not None:
            await on_read(len(ids))
    population = Population.of(
        readable.values(),
        today=compiled.local_day(now_ms),
        now_ms=now_ms,
        suppressed=await _suppressed_tags(redis, org, now_ms=now_ms),
    )
    return population, [CustomerId(customer) for customer in sorted((ids - readable.keys()) | lacking)]


async def load_customers(redis: RedisClient, shop: Shop, *, field: Field | None = None) -> list[Customer]:
    """All customers with a readable snapshot: about a second for 100,000.

    Personal data stays sealed, unless `field` is personal: then the customers are those whose snapshot keeps it.
    """
    opened = field is not None and bool(field.record_keys & PERSONAL_KEYS)
    needed = kept_fields(field.record_keys) if field is not None else frozenset[str]()
    customers: dict[bytes, Customer] = {}  # a scan may return a customer twice
    async for page in scan_hash(redis, keys.shop(shop.org, "snapshots")):
        for name, stored in page.items():
            try:
                snapshot = read_snapshot(stored)
                if needed <= snapshot.kept:
                    customers[name] = snapshot.open(shop.cipher) if opened else snapshot.facts
            except MalformedData:
                continue  # the next reading of the customer replaces it
    return [*customers.values()]


def build_report(
    shop: Shop,
    population: Population,
    compiled: CompiledRules,
    *,
    version: int,
    customers: int | None = None,
    lacking: int = 0,
) -> PreviewReport:
    """Evaluate all customers: about a second for 100,000. `customers` is the size of the shop, None if unknown.

    `lacking` customers have no e-mail, phone or note in their snapshot, and the rules read it: nobody knows yet what
    changes for them, so they count as changed for the guard.
    """
    result = preview(population, compiled, version=version)
    counts = count_values(compiled.rule_set, population.customers)
    return PreviewReport(
        preview=result,
        cost=estimate_cost(result, one_call=shop.dialect == "admin"),
        guard=_guard(result, lacking, customers),
        warnings=(
            *lint_coverage(known=len(population), customers=customers, org=shop.org),
            *([LintWarning("not_stored", "", params={"count": lacking})] if lacking else ()),
            *lint(compiled, today=population.today),
            *lint_missing(compiled, population.customers),
            *lint_matches(compiled, result),
            *lint_leftovers(result, org=shop.org),
            *lint_own_spellings(compiled),
            *lint_spellings(compiled, counts["tags"]),
            *(lint_values(compiled, counts, org=shop.org) if len(population) else ()),
        ),
        unscanned=None if customers is None else max(0, customers - len(population)),
    )


def _guard(result: Preview, lacking: int, customers: int | None) -> PublishGuard:
    guard = check_guard(result, customers=customers)
    if lacking <= guard.most_customers or "share" in guard.why:
        return guard
    return msgspec.structs.replace(guard, needs_approval=True, why=("share", *guard.why))


def to_dict(report: PreviewReport) -> dict[str, Any]:
    """Plain data, for JSON."""
    return {
        **msgspec.to_builtins(report.preview),
        "effort": msgspec.to_builtins(report.cost),
        "guard": msgspec.to_builtins(report.guard),
        "unscanned": report.unscanned,
    }


async def _load_hash(redis: RedisClient, org: OrgId, name: str) -> dict[bytes, bytes]:
    values: dict[bytes, bytes] = {}
    async for page in scan_hash(redis, keys.shop(org, name)):
        values.update(page)
    return values


async def _suppressed_tags(redis: RedisClient, org: OrgId, *, now_ms: int) -> dict[int, frozenset[str]]:
    """The tags (folded) of each customer that are not written now, because people reverted them three times."""
    reverts = await _load_hash(redis, org, "reverts")
    suppressed = {
        int(customer): suppressed_tags(REVERTS_CODEC.decode(packed), now_ms=now_ms)
        for customer, packed in reverts.items()
    }
    return {customer: tags for customer, tags in suppressed.items() if tags}


def _decode_page(
    page: Mapping[bytes, bytes],
    hashes: Mapping[str, Mapping[bytes, bytes]],
    cipher: ShopCipher | None,
    needed: frozenset[str],
) -> Iterator[tuple[Customer, CustomerState, frozenset[str]]]:
    """The readable customers with their states and the optional fields that their snapshots keep.

    Without a cipher, personal fields stay sealed.
    """
    owned, held, excluded, restores = (hashes[name] for name in STATE_HASHES)
    for field, snapshot in page.items():
        try:
            stored = read_snapshot(snapshot)
            customer = stored.facts if cipher is None else stored.open(cipher, needed=needed)
            if field in owned or field in held or field in excluded or field in restores:
                state = to_state(
                    owned=owned.get(field),
                    holds=held.get(field),
                    exclusions=excluded.get(field),
                    pending_restores=restores.get(field),
                )
            else:
                state = EMPTY_STATE
        except MalformedData:
            continue
        yield customer, state, stored.kept
