"""Explaining a customer: gathers the snapshot and all that is kept, and lets the rules speak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import msgspec
from arq.connections import ArqRedis

from service.domain.customers import Customer, CustomerId, OrgId, decode_snapshot, fold
from service.domain.engine import CompiledRules
from service.domain.explain import (
    CustomerExplanation,
    ExplainInput,
    Translator,
    explain_customer,
    render_text,
    to_data,
)
from service.domain.rules import RuleOrTier
from service.domain.sync import suppressed_tags
from service.errors import NotFound
from service.operations.explain_text import format_dead_letter, format_deliveries, format_history
from service.store.client import keys
from service.store.customers import load_states, to_stored_state
from service.store.history import Delivery, LedgerRow, deliveries, drift, ledger
from service.store.queue import DeadLetter, dead_letters
from service.store.rules import Versions
from service.store.shops import Shop

RECENT = 10  # deliveries and changes in a text


@dataclass(frozen=True, slots=True)
class Explained:
    """Everything that we know about why a customer has its tags. `waiting`: it is marked to be looked at."""

    explanation: CustomerExplanation
    ledger: tuple[LedgerRow, ...]  # newest first
    letters: tuple[DeadLetter, ...]
    deliveries: tuple[Delivery, ...]  # newest first
    waiting: bool
    shadow: bool

    def data(self, *, words: Translator, tag: str = "") -> dict[str, Any]:
        """Plain data, for JSON."""
        return to_data(self.explanation, translator=words, tag=tag) | {
            "ledger": [
                {"id": one.id, "at_ms": one.at_ms} | ledger.to_dict(one.entry) for one in self._entries(tag)
            ],
            "dead_letters": [msgspec.to_builtins(one) for one in self.letters],
            "deliveries": [
                {"id": one.id, "at_ms": one.at_ms, "topic": one.topic, "outcome": one.outcome}
                for one in self.deliveries
            ],
            "waiting": self.waiting,
            "shadow": self.shadow,
        }

    def lines(self, *, words: Translator, tag: str = "") -> list[str]:
        """Lines for people."""
        told = render_text(self.explanation, translator=words, tag=tag)
        told[1:1] = [words("customer.marked")] if self.waiting else []
        told[1:1] = [words("customer.shadow")] if self.shadow else []
        log = format_history(self.explanation, self._entries(tag), words=words, tag=tag)
        told += ["", words("customer.ledger" if log else "customer.no_ledger"), *_some(log)]
        if self.letters:
            letters = [format_dead_letter(one, words=words) for one in self.letters]
            told += ["", words("customer.letters"), *_some(letters)]
        if self.deliveries and not tag:
            came = format_deliveries(self.explanation, self.deliveries, words=words)
            told += ["", words("customer.deliveries"), *_some(came)]
        return told

    def _entries(self, tag: str) -> list[LedgerRow]:
        return [one for one in self.ledger if not tag or fold(one.entry.tag) == fold(tag)]


def _some(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines[:RECENT]]


async def explain_for_shop(
    redis: ArqRedis,
    shop: Shop,
    customer: CustomerId,
    *,
    versions: Versions,
    now_ms: int,
    on: date | None = None,
    number: int = 0,
) -> Explained:
    """Explain by the live version or another `number`, for the shop's today or another day; raises NotFound.

    It reads what we have stored and asks Haravan nothing: as fresh as the customer's snapshot.
    """
    compiled, known = await load_explanation(
        redis, shop, customer, versions=versions, now_ms=now_ms, on=on, number=number
    )
    return await _with_history(redis, shop, compiled, known, versions)


async def load_explanation(
    redis: ArqRedis,
    shop: Shop,
    customer: CustomerId,
    *,
    versions: Versions,
    now_ms: int,
    on: date | None = None,
    number: int = 0,
) -> tuple[CompiledRules, ExplainInput]:
    """The rules and all that we know of the customer, ready to be explained; raises NotFound."""
    number = number or await versions.live_number(shop.org)
    compiled = await versions.compiled(shop.org, number, timezone=shop.timezone, currency=shop.currency)
    snapshot = await _snapshot(redis, shop.org, customer)
    stored = to_stored_state((await load_states(redis, shop.org, [customer]))[customer])
    return compiled, ExplainInput(
        customer=snapshot,
        state=stored.state,
        today=on.toordinal() if on is not None else compiled.local_day(now_ms),
        now_ms=now_ms,
        version=number,
        intents=stored.intents,
        suppressed=suppressed_tags(stored.reverts, now_ms=now_ms),
        external_changes=await drift.manual_changes_of_customer(redis, shop.org, customer),
    )


async def _with_history(
    redis: ArqRedis, shop: Shop, compiled: CompiledRules, known: ExplainInput, versions: Versions
) -> Explained:
    customer = CustomerId(known.customer.id)
    entries = await ledger.list_for_customer(redis, shop.org, customer)
    known = replace(known, former_rules=await _gone(versions, shop.org, compiled, known, entries))
    return Explained(
        explanation=explain_customer(compiled, known),
        ledger=tuple(entries),
        letters=tuple(await dead_letters.for_customer(redis, shop.org, customer)),
        deliveries=await deliveries.list_for_customer(redis, shop.org, customer),
        waiting=bool(await redis.exists(keys.shop(shop.org, f"mark:{customer}"))),
        shadow=shop.shadow,
    )


async def _gone(
    versions: Versions, org: OrgId, compiled: CompiledRules, known: ExplainInput, entries: Sequence[LedgerRow]
) -> dict[str, RuleOrTier]:
    """Rules and tiers that are named and are not in these rules, from the newest version that is named with them."""
    live = {one.id for one in compiled.rule_set.all}
    named = {(one.version, one.rule) for one in known.state.ownership.values()}
    named |= {(one.entry.version, one.entry.rule) for one in entries}
    wanted = sorted(((number, rule) for number, rule in named if number and rule not in live), reverse=True)
    found: dict[str, RuleOrTier] = {}
    documents: dict[int, dict[str, RuleOrTier]] = {}
    for number, rule in wanted:
        if rule not in found:
            if number not in documents:
                then = await versions.document(org, number)
                documents[number] = {one.id: one for one in then.all}
            found |= {rule: documents[number][rule]} if rule in documents[number] else {}
    return found


async def _snapshot(redis: ArqRedis, org: OrgId, customer: CustomerId) -> Customer:
    packed = await redis.hget(keys.shop(org, "snapshots"), str(customer))
    if packed is None:
        raise NotFound(
            f"customer {customer} of shop {org} was never looked at; do it now: "
            f"tagger replay {org} --customers {customer}"
        )
    return decode_snapshot(packed)
