"""Explaining a customer: loads the snapshot, the state and the history, and explains each tag."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

import msgspec

from service.context import Context
from service.domain.customers import Customer, CustomerId, OrgId, fold
from service.domain.engine import CompiledRules
from service.domain.explain import (
    CustomerExplanation,
    ExplainInput,
    Translator,
    explain_customer,
    render_text,
    to_data,
)
from service.domain.rules import RuleOrTier, RuleSet
from service.domain.sync import suppressed_tags
from service.errors import NotFound
from service.operations.customers.explain_text import format_dead_letter, format_deliveries, format_history
from service.publishing import first_look
from service.sentence import Sentence
from service.store.client import RedisClient, keys
from service.store.customers import kept_fields, load_states, read_snapshot, snapshots, to_stored_state
from service.store.history import Delivery, LedgerRow, deliveries, drift, ledger
from service.store.queue import DeadLetter, dead_letters
from service.store.rules import Versions, check_currency, compile_version
from service.store.shops import Shop

MAX_LINES: Final = 10  # of each list in a text


@dataclass(frozen=True, slots=True)
class Explained:
    """The explanation of a customer with its history. `waiting`: the customer is queued.

    `obstacles`: keys of texts, each with its placeholders, that say why what follows is not, or not yet, written.
    """

    org: OrgId
    explanation: CustomerExplanation
    ledger: tuple[LedgerRow, ...]  # newest first
    dead_letters: tuple[DeadLetter, ...]
    deliveries: tuple[Delivery, ...]  # newest first
    waiting: bool
    shadow: bool
    obstacles: tuple[tuple[str, dict[str, str]], ...] = ()

    def to_dict(self, *, words: Translator, tag: str = "") -> dict[str, Any]:
        """Plain data, for JSON. `tag` limits it to one tag."""
        return to_data(self.explanation, translator=words, tag=tag) | {
            "ledger": [
                {"id": row.id, "at_ms": row.at_ms} | ledger.to_dict(row.entry) for row in self._ledger_of(tag)
            ],
            "dead_letters": [msgspec.to_builtins(letter) for letter in self.dead_letters],
            "deliveries": [
                {
                    "id": delivery.id,
                    "at_ms": delivery.at_ms,
                    "topic": delivery.topic,
                    "outcome": delivery.outcome,
                }
                for delivery in self.deliveries
            ],
            "waiting": self.waiting,
            "shadow": self.shadow,
            "obstacles": [key.removeprefix("customer.") for key, _ in self.obstacles],
        }

    def obstacle_texts(self, *, words: Translator, prefix: str = "") -> list[str]:
        """The obstacles in words. With a prefix, the texts of pages instead of those of the command line."""
        return [
            words(
                f"{prefix}{key}",
                **{name: words.day(value) if name == "last" else value for name, value in params.items()},
            )
            for key, params in self.obstacles
        ]

    def to_lines(self, *, words: Translator, tag: str = "") -> list[str]:
        """Lines of text for people: first what stands in the way. `tag` limits it to one tag."""
        lines = render_text(self.explanation, translator=words, tag=tag)
        first = self.obstacle_texts(words=words)
        first += [format_dead_letter(letter, words=words) for letter in self.dead_letters[:MAX_LINES]]
        first += [words("customer.last_read")] if self.dead_letters or self.waiting else []
        lines[1:1] = first
        history = format_history(self.explanation, self._ledger_of(tag), words=words, tag=tag)
        lines += ["", words("customer.ledger" if history else "customer.no_ledger"), *_first(history)]
        if self.deliveries and not tag:
            recent = format_deliveries(self.explanation, self.deliveries, words=words)
            lines += ["", words("customer.deliveries"), *_first(recent)]
        return lines

    def _ledger_of(self, tag: str) -> list[LedgerRow]:
        return [row for row in self.ledger if not tag or fold(row.entry.tag) == fold(tag)]


def _first(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines[:MAX_LINES]]


async def explain_for_shop(
    context: Context,
    shop: Shop,
    customer: CustomerId,
    *,
    on: date | None = None,
    version: int = 0,
    draft: RuleSet | None = None,
) -> Explained:
    """Explain a customer by the live version, another `version` or a `draft`, for today or another day in the shop's zone.

    It makes no API call: the explanation is as fresh as the customer's snapshot. Raises NotFound, and Refused for a draft
    in another currency.
    """
    redis, versions = context.redis, context.versions
    letters = await dead_letters.for_customer(redis, shop.org, customer)
    is_waiting = bool(await redis.exists(keys.shop(shop.org, f"mark:{customer}")))
    if await snapshots.never_read(redis, shop.org, [customer]):
        raise NotFound(_never_evaluated(shop, customer, letters, is_waiting=is_waiting))
    compiled, given = await load_explanation(context, shop, customer, on=on, version=version, draft=draft)
    rows = await ledger.list_for_customer(redis, shop.org, customer)
    given = replace(given, former_rules=await _former_rules(versions, shop.org, compiled, given, rows))
    explanation = explain_customer(compiled, given)
    return Explained(
        org=shop.org,
        explanation=explanation,
        ledger=tuple(rows),
        dead_letters=tuple(letters),
        deliveries=await deliveries.list_for_customer(redis, shop.org, customer),
        waiting=is_waiting,
        shadow=shop.shadow,
        obstacles=tuple(_obstacles(shop, explanation, is_waiting=is_waiting, now_ms=given.now_ms)),
    )


def _obstacles(
    shop: Shop, explanation: CustomerExplanation, *, is_waiting: bool, now_ms: int
) -> Iterator[tuple[str, dict[str, str]]]:
    """What stands in the way of the changes, the strongest first, as keys of texts with their placeholders."""
    if shop.paused:
        yield "customer.paused", {"reason": shop.paused, "org": shop.org}
    if shop.removals_paused and explanation.remove:
        yield "customer.removals_paused", {"org": shop.org}
    if shop.shadow:
        yield "customer.shadow", {}
    if shop.freeze is not None and shop.is_frozen(now_ms) and (explanation.add or explanation.remove):
        key = "customer.freeze_waiting" if shop.freeze.waiting_ms else "customer.frozen"
        yield key, {"last": shop.freeze.last.isoformat(), "org": shop.org}
    if shop.first_look != "complete" and not is_waiting and (explanation.add or explanation.remove):
        yield f"customer.first_look.{shop.first_look}", {"org": shop.org}
    if is_waiting:
        yield "customer.marked", {}


def _never_evaluated(
    shop: Shop, customer: CustomerId, letters: Sequence[DeadLetter], *, is_waiting: bool
) -> Sentence:
    """Why there is nothing to explain yet, and what to do."""
    org = shop.org
    why: Sentence | str | None = None
    if letters:
        why = "; ".join(f"{letter.cause}: {letter.text}" for letter in letters)
    elif shop.paused:
        why = Sentence(
            "the shop is paused ({reason}): tagger shops resume {org}", reason=shop.paused, org=org
        )
    elif is_waiting:
        why = Sentence("it is queued, and will be soon. Is a worker running?")
    elif shop.first_look == "pending":
        why = first_look.reason(shop)
    return Sentence(
        "customer {customer} of shop {org} was never evaluated: {why}",
        customer=customer,
        org=org,
        why=why
        or Sentence(
            "evaluate it now: tagger replay {org} --customers {customer}", org=org, customer=customer
        ),
    )


async def load_explanation(
    context: Context,
    shop: Shop,
    customer: CustomerId,
    *,
    on: date | None = None,
    version: int = 0,
    draft: RuleSet | None = None,
) -> tuple[CompiledRules, ExplainInput]:
    """The rules, and what `explain_customer` needs to know about the customer. Raises NotFound, Refused."""
    redis, now_ms = context.redis, await context.now_ms()
    live = await context.versions.live_number(shop.org)
    if draft is not None:
        check_currency(draft, shop.currency)
        inherited = await context.versions.derive_inherited(shop.org, draft, parent=live)
        number, compiled = live + 1, compile_version(draft, inherited=inherited)
    else:
        number = version or live
        compiled = await context.versions.compiled(
            shop.org, number, timezone=shop.timezone, currency=shop.currency
        )
    snapshot = await _snapshot(redis, shop, customer, needed=kept_fields(compiled.required_keys))
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


async def _former_rules(
    versions: Versions, org: OrgId, compiled: CompiledRules, given: ExplainInput, rows: Iterable[LedgerRow]
) -> dict[str, RuleOrTier]:
    """The rules and tiers that own a tag or stand in the ledger and are not in `compiled`, as last published."""
    present = {rule.id for rule in compiled.rule_set.all}
    named = {(owner.version, owner.rule) for owner in given.state.ownership.values()}
    named |= {(row.entry.version, row.entry.rule) for row in rows}
    missing = sorted(
        ((number, rule) for number, rule in named if number and rule not in present), reverse=True
    )
    former: dict[str, RuleOrTier] = {}
    documents: dict[int, dict[str, RuleOrTier]] = {}
    for number, rule in missing:
        if rule not in former:
            if number not in documents:
                document = await versions.document(org, number)
                documents[number] = {each.id: each for each in document.all}
            former |= {rule: documents[number][rule]} if rule in documents[number] else {}
    return former


async def _snapshot(
    redis: RedisClient, shop: Shop, customer: CustomerId, *, needed: frozenset[str]
) -> Customer:
    packed = await redis.hget(keys.shop(shop.org, "snapshots"), str(customer))
    if packed is None:
        raise NotFound(
            Sentence("customer {customer} of shop {org} was never evaluated", customer=customer, org=shop.org)
        )
    return read_snapshot(packed).open(shop.cipher, needed=needed)
