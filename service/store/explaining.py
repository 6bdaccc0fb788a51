"""Explaining a customer: gathers the snapshot and all that is kept, and lets the rules speak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import msgspec
from arq.connections import ArqRedis

from service.domain.customer_data import customer_data
from service.domain.customer_text import customer_lines
from service.domain.customers import Customer, CustomerId, OrgId, unpack
from service.domain.evaluation import Compiled
from service.domain.inquiry import explain_customer
from service.domain.ordering import Maker
from service.domain.strikes import suppressed_tags
from service.domain.tags import fold
from service.domain.verdicts import Explanation, Known
from service.domain.words import Words
from service.errors import NotFound
from service.store import deadletters, deliveries, drift, keys, ledger
from service.store.background import background
from service.store.deadletters import DeadLetter
from service.store.deliveries import Delivery
from service.store.happenings import delivery_lines, log_lines, say_letter
from service.store.kept import kept
from service.store.ledger import Written
from service.store.shop import Shop
from service.store.versions import Versions

RECENT = 10  # deliveries and changes in a text


@dataclass(frozen=True, slots=True)
class Explained:
    """Everything that we know about why a customer has its tags. `waiting`: it is marked to be looked at."""

    explanation: Explanation
    ledger: tuple[Written, ...]  # newest first
    letters: tuple[DeadLetter, ...]
    deliveries: tuple[Delivery, ...]  # newest first
    waiting: bool
    shadow: bool

    def data(self, *, words: Words, tag: str = "") -> dict[str, Any]:
        """Plain data, for JSON."""
        return customer_data(self.explanation, words=words, tag=tag) | {
            "ledger": [
                {"id": one.id, "at_ms": one.at_ms} | ledger.as_data(one.entry) for one in self._entries(tag)
            ],
            "dead_letters": [msgspec.to_builtins(one) for one in self.letters],
            "deliveries": [
                {"id": one.id, "at_ms": one.at_ms, "topic": one.topic, "outcome": one.outcome}
                for one in self.deliveries
            ],
            "waiting": self.waiting,
            "shadow": self.shadow,
        }

    def lines(self, *, words: Words, tag: str = "") -> list[str]:
        """Lines for people."""
        told = customer_lines(self.explanation, words=words, tag=tag)
        told[1:1] = [words("customer.marked")] if self.waiting else []
        told[1:1] = [words("customer.shadow")] if self.shadow else []
        log = log_lines(self.explanation, self._entries(tag), words=words, tag=tag)
        told += ["", words("customer.ledger" if log else "customer.no_ledger"), *_some(log)]
        if self.letters:
            letters = [say_letter(one, words=words) for one in self.letters]
            told += ["", words("customer.letters"), *_some(letters)]
        if self.deliveries and not tag:
            came = delivery_lines(self.explanation, self.deliveries, words=words)
            told += ["", words("customer.deliveries"), *_some(came)]
        return told

    def _entries(self, tag: str) -> list[Written]:
        return [one for one in self.ledger if not tag or fold(one.entry.tag) == fold(tag)]


def _some(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines[:RECENT]]


async def explain(
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
    compiled, known = await look(
        redis, shop, customer, versions=versions, now_ms=now_ms, on=on, number=number
    )
    return await _with_history(redis, shop, compiled, known, versions)


async def look(
    redis: ArqRedis,
    shop: Shop,
    customer: CustomerId,
    *,
    versions: Versions,
    now_ms: int,
    on: date | None = None,
    number: int = 0,
) -> tuple[Compiled, Known]:
    """The rules and all that we know of the customer, ready to be explained; raises NotFound."""
    number = number or await versions.live_number(shop.org)
    compiled = await versions.compiled(shop.org, number, timezone=shop.timezone, currency=shop.currency)
    snapshot = await _snapshot(redis, shop.org, customer)
    stored = background((await kept(redis, shop.org, [customer]))[customer])
    return compiled, Known(
        customer=snapshot,
        standing=stored.standing,
        today=on.toordinal() if on is not None else compiled.day_of(now_ms),
        now_ms=now_ms,
        version=number,
        intents=stored.intents,
        stopped=suppressed_tags(stored.reverts, now_ms=now_ms),
        touches=await drift.of_customer(redis, shop.org, customer),
    )


async def _with_history(
    redis: ArqRedis, shop: Shop, compiled: Compiled, known: Known, versions: Versions
) -> Explained:
    customer = CustomerId(known.customer.id)
    entries = await ledger.of_customer(redis, shop.org, customer)
    known = replace(known, gone=await _gone(versions, shop.org, compiled, known, entries))
    return Explained(
        explanation=explain_customer(compiled, known),
        ledger=tuple(entries),
        letters=tuple(await deadletters.of_customer(redis, shop.org, customer)),
        deliveries=await deliveries.by_customer(redis, shop.org, customer),
        waiting=bool(await redis.exists(keys.shop(shop.org, f"mark:{customer}"))),
        shadow=shop.shadow,
    )


async def _gone(
    versions: Versions, org: OrgId, compiled: Compiled, known: Known, entries: Sequence[Written]
) -> dict[str, Maker]:
    """Rules and tiers that are named and are not in these rules, from the newest version that is named with them."""
    live = {one.id for one in compiled.rule_set.all}
    named = {(one.version, one.rule) for one in known.standing.owned.values()}
    named |= {(one.entry.version, one.entry.rule) for one in entries}
    wanted = sorted(((number, rule) for number, rule in named if number and rule not in live), reverse=True)
    found: dict[str, Maker] = {}
    documents: dict[int, dict[str, Maker]] = {}
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
    return unpack(packed)
