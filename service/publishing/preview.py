"""Previews: load all known customers of a shop, and report what rules would change for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
from arq.connections import ArqRedis

from service.domain.customers import Customer, CustomerId, OrgId, decode_snapshot
from service.domain.decisions import EMPTY_STATE, CustomerState, RestoresByCustomer, merge_restores
from service.domain.engine import CompiledRules
from service.domain.preview import (
    LintWarning,
    Population,
    Preview,
    PublishGuard,
    WriteCost,
    check_guard,
    estimate_cost,
    lint,
    lint_coverage,
    lint_leftovers,
    lint_matches,
    lint_spellings,
    preview,
)
from service.domain.sync import REVERTS_CODEC, suppressed_tags
from service.errors import MalformedData
from service.store.client import keys, scan_hash
from service.store.customers import to_state
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
    redis: ArqRedis,
    org: OrgId,
    compiled: CompiledRules,
    *,
    now_ms: int,
    restores: RestoresByCustomer = NO_RESTORES,
) -> Population:
    """All customers with a snapshot, except unreadable ones: the next reading of the customer replaces those.

    `restores` are the tags that these rules, as a roll-back, restore.
    """
    return (await load_population_and_unreadable(redis, org, compiled, now_ms=now_ms, restores=restores))[0]


async def load_population_and_unreadable(
    redis: ArqRedis,
    org: OrgId,
    compiled: CompiledRules,
    *,
    now_ms: int,
    restores: RestoresByCustomer = NO_RESTORES,
) -> tuple[Population, list[CustomerId]]:
    """The population, and the customers whose snapshot is unreadable."""
    hashes = {name: await _load_hash(redis, org, name) for name in STATE_HASHES}
    readable: dict[int, tuple[Customer, CustomerState]] = {}  # by id: a scan may return a customer twice
    ids: set[int] = set()
    async for page in scan_hash(redis, keys.shop(org, "snapshots")):
        page_ids = set(map(int, page))
        readable.update((pair[0].id, pair) for pair in _decode_page(page, hashes))
        for customer_id in restores.keys() & page_ids & readable.keys():
            customer, state = readable[customer_id]
            merged = merge_restores(state.restores, restores[customer_id], undone=compiled.rolled_back)
            readable[customer_id] = customer, replace(state, restores=merged)
        ids |= page_ids
    population = Population.of(
        readable.values(),
        today=compiled.local_day(now_ms),
        now_ms=now_ms,
        suppressed=await _suppressed_tags(redis, org, now_ms=now_ms),
    )
    return population, [CustomerId(customer) for customer in sorted(ids - readable.keys())]


def build_report(
    shop: Shop,
    population: Population,
    compiled: CompiledRules,
    *,
    version: int,
    customers: int | None = None,
) -> PreviewReport:
    """Evaluate all customers: about a second for 100,000. `customers` is the size of the shop, None if unknown."""
    result = preview(population, compiled, version=version)
    tag_counts = Counter(tag for customer in population.customers for tag in customer.tags)
    return PreviewReport(
        preview=result,
        cost=estimate_cost(result, one_call=shop.dialect == "admin"),
        guard=check_guard(result, customers=customers),
        warnings=(
            *lint_coverage(known=len(population), customers=customers, org=shop.org),
            *lint(compiled, today=population.today),
            *lint_matches(compiled, result),
            *lint_leftovers(result, org=shop.org),
            *lint_spellings(compiled, tag_counts),
        ),
        unscanned=None if customers is None else max(0, customers - len(population)),
    )


def to_dict(report: PreviewReport) -> dict[str, Any]:
    """Plain data, for JSON."""
    return {
        **msgspec.to_builtins(report.preview),
        "effort": msgspec.to_builtins(report.cost),
        "guard": msgspec.to_builtins(report.guard),
        "unscanned": report.unscanned,
    }


async def _load_hash(redis: ArqRedis, org: OrgId, name: str) -> dict[bytes, bytes]:
    values: dict[bytes, bytes] = {}
    async for page in scan_hash(redis, keys.shop(org, name)):
        values.update(page)
    return values


async def _suppressed_tags(redis: ArqRedis, org: OrgId, *, now_ms: int) -> dict[int, frozenset[str]]:
    """The tags (folded) of each customer that are not written now, because people reverted them three times."""
    reverts = await _load_hash(redis, org, "reverts")
    suppressed = {
        int(customer): suppressed_tags(REVERTS_CODEC.decode(packed), now_ms=now_ms)
        for customer, packed in reverts.items()
    }
    return {customer: tags for customer, tags in suppressed.items() if tags}


def _decode_page(
    page: Mapping[bytes, bytes], hashes: Mapping[str, Mapping[bytes, bytes]]
) -> Iterator[tuple[Customer, CustomerState]]:
    owned, held, excluded, restores = (hashes[name] for name in STATE_HASHES)
    for field, snapshot in page.items():
        try:
            customer = decode_snapshot(snapshot)
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
        yield customer, state
