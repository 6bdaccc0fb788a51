"""Explaining a customer: gathers the snapshot and all that is kept, and lets the rules speak."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from arq.connections import ArqRedis

from service.domain.customer_data import customer_data
from service.domain.customer_text import customer_lines, titles
from service.domain.customers import Customer, CustomerId, OrgId, unpack
from service.domain.evaluation import Compiled
from service.domain.facts import fold
from service.domain.inquiry import explain_customer
from service.domain.sentences import say_value
from service.domain.strikes import stopped
from service.domain.touches import Touch
from service.domain.verdicts import Explanation, Known
from service.domain.words import Words
from service.errors import NotFound
from service.store import deadletters, deliveries, drift, keys, ledger
from service.store.background import background
from service.store.deadletters import DeadLetter
from service.store.deliveries import Delivery
from service.store.kept import kept
from service.store.ledger import Written
from service.store.shop import Shop
from service.store.versions import Versions

RECENT = 10  # deliveries and ledger entries in a text


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
                {"id": one.id, "at_ms": one.at_ms} | msgspec.structs.asdict(one.entry)
                for one in self._entries(tag)
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
        log = self._log(words, tag)
        told += ["", words("customer.ledger" if log else "customer.no_ledger")]
        told += [f"  {line}" for line in log[:RECENT]]
        if self.letters:
            told += ["", words("customer.letters"), *(f"  {one.cause}: {one.text}" for one in self.letters)]
        if self.deliveries and not tag:
            told += ["", words("customer.deliveries")]
            told += [
                f"  {self._moment(one.at_ms, words)} {one.topic} {one.outcome}"
                for one in self.deliveries[:RECENT]
            ]
        return told

    def _entries(self, tag: str) -> list[Written]:
        return [one for one in self.ledger if not tag or fold(one.entry.tag) == fold(tag)]

    def _log(self, words: Words, tag: str) -> list[str]:
        """What we wrote, and what others changed, the newest first."""
        said = [(one.at_ms, self._entry(one, words)) for one in self._entries(tag)]
        touches = self.explanation.known.touches
        said += [
            (touch.at_ms, self._touch(touch, words))
            for key, touch in touches.items()
            if not tag or key == fold(tag)
        ]
        return [line for _, line in sorted(said, key=lambda each: each[0], reverse=True)]

    def _touch(self, touch: Touch, words: Words) -> str:
        moment, action = self._moment(touch.at_ms, words), "+" if touch.added else "−"
        return words("ledger.touched", moment=moment, action=action, tag=touch.tag)

    def _entry(self, one: Written, words: Words) -> str:
        entry, currency = one.entry, self.explanation.compiled.rule_set.currency
        values = ", ".join(
            f"{words(f'field.{name}')}: {say_value(name, value, words=words, currency=currency)}"
            for name, value in entry.values.items()
            if words.has(f"field.{name}")
        )
        why = words(f"why.{entry.why}") if words.has(f"why.{entry.why}") else ""
        said = words(
            "ledger.line",
            moment=self._moment(one.at_ms, words),
            action="+" if entry.action == "+" else "−",
            tag=entry.tag,
            rule=titles(self.explanation, words).get(entry.rule, entry.rule),
            version=entry.version,
            cause=say_cause(entry.cause, words=words),
            values="".join(f" · {part}" for part in (why, values) if part),
        )
        return said if entry.written else f"{said} {words('ledger.shadow')}"

    def _moment(self, ms: int, words: Words) -> str:
        at = datetime.fromtimestamp(ms / 1000, tz=UTC).astimezone(self.explanation.compiled.calendar.zone)
        return f"{words.day(at.date())} {at:%H:%M}"


def say_cause(cause: str, *, words: Words) -> str:
    """Why a customer was looked at, in words: `delivery`, `replay:R1`, …"""
    kind, _, run = cause.partition(":")
    return words(f"cause.{kind}", run=run) if words.has(f"cause.{kind}") else cause


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
    return await _with_history(redis, shop, compiled, known)


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
        stopped=stopped(stored.strikes, now_ms=now_ms),
        touches=await drift.of_customer(redis, shop.org, customer),
    )


async def _with_history(redis: ArqRedis, shop: Shop, compiled: Compiled, known: Known) -> Explained:
    customer = CustomerId(known.customer.id)
    return Explained(
        explanation=explain_customer(compiled, known),
        ledger=tuple(await ledger.of_customer(redis, shop.org, customer)),
        letters=tuple(await deadletters.of_customer(redis, shop.org, customer)),
        deliveries=await deliveries.by_customer(redis, shop.org, customer),
        waiting=bool(await redis.exists(keys.shop(shop.org, f"mark:{customer}"))),
        shadow=shop.shadow,
    )


async def _snapshot(redis: ArqRedis, org: OrgId, customer: CustomerId) -> Customer:
    packed = await redis.hget(keys.shop(org, "snap"), str(customer))
    if packed is None:
        raise NotFound(
            f"customer {customer} of shop {org} was never looked at; do it now: "
            f"tagger replay {org} --customers {customer}"
        )
    return unpack(packed)
