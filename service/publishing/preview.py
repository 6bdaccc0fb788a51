"""Previews over all snapshots of a shop: who would change if these rules were published."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class PreviewReport:
    """A preview with what it costs, whether it needs approval, and what is odd about the rules."""

    preview: Preview
    effort: WriteCost
    guard: PublishGuard
    warnings: tuple[LintWarning, ...]
    unseen: int | None  # customers of the shop of whom nothing is known yet; None where nobody counted them

    @property
    def summary(self) -> dict[str, Any]:
        """What is kept beside a published version."""
        shown = self.preview
        return {
            "customers": shown.customers,
            "touched": shown.touched,
            "added": shown.added,
            "removed": shown.removed,
            "calls": self.effort.calls,
            "seconds": self.effort.seconds,
        }


async def load_population(
    redis: ArqRedis,
    org: OrgId,
    compiled: CompiledRules,
    *,
    now_ms: int,
    restores: RestoresByCustomer = NO_RESTORES,
) -> Population:
    """Everybody whose snapshot we have; a snapshot that cannot be read is left out (its next look renews it).

    `restores`: what these rules, as a roll-back, are to put back.
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
    """The same, and the customers whose snapshot cannot be read."""
    kept = {
        name: await _all(redis, org, name) for name in ("owned", "holds", "exclusions", "pending_restores")
    }
    known: dict[int, tuple[Customer, CustomerState]] = {}  # a scan may show a customer twice
    names: set[int] = set()
    async for page in scan_hash(redis, keys.shop(org, "snapshots")):
        known.update((one[0].id, one) for one in _known(page, kept))
        for each in restores.keys() & set(map(int, page)) & known.keys():
            customer, stands = known[each]
            again = merge_restores(stands.restores, restores[each], undone=compiled.rolled_back)
            known[each] = customer, replace(stands, restores=again)
        names.update(map(int, page))
    people = Population.of(
        known.values(),
        today=compiled.local_day(now_ms),
        now_ms=now_ms,
        suppressed=await _stopped(redis, org, now_ms=now_ms),
    )
    return people, [CustomerId(one) for one in sorted(names - known.keys())]


def build_report(
    shop: Shop, people: Population, compiled: CompiledRules, *, version: int, customers: int | None = None
) -> PreviewReport:
    """Compute it: about a second for 100,000 customers.

    `customers`: how many the shop has, where somebody counted them.
    """
    shown = preview(people, compiled, version=version)
    counts: dict[str, int] = {}
    for customer in people.customers:
        for tag in customer.tags:
            counts[tag] = counts.get(tag, 0) + 1
    return PreviewReport(
        preview=shown,
        effort=estimate_cost(shown, one_call=shop.dialect == "admin"),
        guard=check_guard(shown),
        warnings=(
            *lint_coverage(seen=len(people), customers=customers, org=shop.org),
            *lint(compiled, today=people.today),
            *lint_matches(compiled, shown),
            *lint_spellings(compiled, counts),
        ),
        unseen=None if customers is None else max(0, customers - len(people)),
    )


def to_dict(shown: PreviewReport) -> dict[str, Any]:
    """Plain data, for JSON."""
    return {
        **msgspec.to_builtins(shown.preview),
        "effort": msgspec.to_builtins(shown.effort),
        "guard": msgspec.to_builtins(shown.guard),
        "unseen": shown.unseen,
    }


async def _all(redis: ArqRedis, org: OrgId, name: str) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    async for page in scan_hash(redis, keys.shop(org, name)):
        found.update(page)
    return found


async def _stopped(redis: ArqRedis, org: OrgId, *, now_ms: int) -> dict[int, frozenset[str]]:
    """Whose tags (folded) are not written for now, because people undid them three times."""
    undone = await _all(redis, org, "reverts")
    found = {
        int(each): suppressed_tags(REVERTS_CODEC.decode(packed), now_ms=now_ms)
        for each, packed in undone.items()
    }
    return {customer: tags for customer, tags in found.items() if tags}


def _known(
    page: Mapping[bytes, bytes], kept: Mapping[str, Mapping[bytes, bytes]]
) -> Iterator[tuple[Customer, CustomerState]]:
    owned, held, excluded, back = (
        kept[name] for name in ("owned", "holds", "exclusions", "pending_restores")
    )
    for name, snapshot in page.items():
        try:
            customer = decode_snapshot(snapshot)
            if name in owned or name in held or name in excluded or name in back:
                stands = to_state(
                    owned=owned.get(name),
                    holds=held.get(name),
                    exclusions=excluded.get(name),
                    pending_restores=back.get(name),
                )
            else:
                stands = EMPTY_STATE
        except MalformedData:
            continue
        yield customer, stands
