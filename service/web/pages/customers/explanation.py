"""The view model of a customer: its tags, what each rule and tier says, and its history, as texts of one language.

It is built in the CPU pool, so it has plain data only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from urllib.parse import quote, urlencode

from service.context import Context
from service.domain.customers import CustomerId, OrgId, fold, mask_email, mask_name, mask_phone
from service.domain.documents import validate_rules
from service.domain.engine import build_facts, fact_value
from service.domain.explain import (
    CustomerExplanation,
    Language,
    RuleExplanation,
    TagExplanation,
    TierExplanation,
    TraceLine,
    Translator,
    describe_origin,
    describe_scheduled,
    describe_status,
    describe_tier,
    format_value,
    removed_by_others,
    rule_title,
    trace_outline,
)
from service.domain.rules import FIELDS, FieldType
from service.locales import translator_for
from service.operations import (
    Explained,
    explain_for_shop,
    format_cause,
    format_dead_letter,
    format_values,
    outcome_text,
)
from service.store import working_copies
from service.store.customers import full_name
from service.store.history import LedgerRow

MAX_DELIVERIES: Final = 10
PRIVATE_FIELDS: Final = frozenset({"birthday", "age", "ward", "district"})  # from marketers on


@dataclass(frozen=True, slots=True)
class Chip:
    """A tag that the customer has."""

    tag: str
    anchor: str
    origin: str
    is_ours: bool
    leaves: bool


@dataclass(frozen=True, slots=True)
class Level:
    """A level of a tier with its conditions."""

    tag: str
    is_next: bool
    lines: tuple[TraceLine, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """What a rule or a tier says. `anchors` are the ids of its tags for links to them."""

    id: str
    title: str
    anchors: tuple[str, ...]
    tag: str  # of a rule; "" for a tier
    has_tag: bool
    status: str
    lines: tuple[TraceLine, ...]
    levels: tuple[Level, ...]
    notes: tuple[str, ...]
    scheduled: str
    is_excluded: bool


@dataclass(frozen=True, slots=True)
class Event:
    """A change of a tag, by us or by others. `path` leads to the explanation at that moment, "" for others."""

    at_ms: int
    is_added: bool
    tag: str
    text: str
    written: bool = True
    path: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """What was decided at a moment: an entry of the ledger with the values that were compared."""

    at_ms: int
    is_added: bool
    tag: str
    rule: str
    version: int
    cause: str
    why: str
    values: tuple[str, ...]
    written: bool
    entry: str
    delivery: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """A webhook of the customer with what followed."""

    at_ms: int
    topic: str
    outcome: str


@dataclass(frozen=True, slots=True)
class CustomerPage:
    """The whole page. `facts` are what rules read, each with its name; `personal` are masked for the role."""

    name: str
    email: str
    phone: str
    facts: tuple[tuple[str, str], ...]
    chips: tuple[Chip, ...]
    adds: tuple[str, ...]
    removes: tuple[str, ...]
    obstacles: tuple[str, ...]
    letters: tuple[str, ...]
    next_change: str
    cards: tuple[Card, ...]
    events: tuple[Event, ...]
    arrivals: tuple[Arrival, ...]
    version: int
    updated_ms: int
    moment: Moment | None = None


async def load_customer_page(
    context: Context,
    org: OrgId,
    customer: CustomerId,
    *,
    language: Language,
    personal: bool,
    on: date | None,
    version: int = 0,
    is_draft: bool = False,
    entry: str = "",
) -> CustomerPage:
    """Explain the customer for a day and a version of the rules, or by the draft that people edit.

    `entry` is the id of a ledger entry that the page shows. Raises NotFound, InvalidRules, Refused.
    """
    shop = await context.shops.get_or_raise(org)
    copy = await working_copies.load(context.redis, org) if is_draft else None
    rules = None if copy is None else validate_rules(copy.document)
    explained = await explain_for_shop(context, shop, customer, on=on, version=version, draft=rules)
    return to_page(explained, t=translator_for(language), personal=personal, entry=entry)


def moment_path(org: OrgId, customer: CustomerId, tag: str, *, version: int, day: str, entry: str) -> str:
    """The address of what was decided at a moment: by the rules of then, with the card of the tag. `day`: 28/11/2026."""
    query = urlencode({"v": version, "on": day, "entry": entry})
    return f"/shops/{org}/customers/{customer}?{query}#{quote(anchor_of(tag), safe='=')}"


def to_page(explained: Explained, *, t: Translator, personal: bool, entry: str = "") -> CustomerPage:
    """The texts of an explanation. `personal`: the visitor may see names and birthdays."""
    explanation = explained.explanation
    customer, next_change = explanation.input.customer, explanation.next_change
    name = full_name(customer, t.language)
    return CustomerPage(
        name=name if personal else mask_name(name),
        email=mask_email(customer.email or ""),
        phone=mask_phone(customer.phone or ""),
        facts=tuple(_facts(explanation, t, personal=personal)),
        chips=tuple(_chip(explanation, tag, t) for tag in explanation.tags),
        adds=explanation.add,
        removes=explanation.remove,
        obstacles=tuple(explained.obstacle_texts(words=t, prefix="obstacle.")),
        letters=tuple(format_dead_letter(letter, words=t) for letter in explained.dead_letters),
        next_change=(
            t("customer.never_changes")
            if next_change is None
            else t("customer.next_change", day=t.day(next_change))
        ),
        cards=tuple(_cards(explanation, t)),
        events=tuple(_events(explained, t)),
        arrivals=tuple(
            Arrival(each.at_ms, each.topic, outcome_text(each.outcome, words=t))
            for each in explained.deliveries[:MAX_DELIVERIES]
        ),
        version=explanation.input.version,
        updated_ms=customer.updated_ms or 0,
        moment=next((_moment(explained, row, t) for row in explained.ledger if row.id == entry), None),
    )


def anchor_of(tag: str) -> str:
    """The id of a tag's card, and the fragment of links to it: an id has no blanks."""
    return f"tag={quote(fold(tag), safe='')}"


def _facts(explanation: CustomerExplanation, t: Translator, *, personal: bool) -> Iterator[tuple[str, str]]:
    compiled, customer = explanation.rule_set, explanation.input.customer
    facts = build_facts(customer, explanation.input.today, calendar=compiled.calendar)
    missing = {key: str(reason) for key, reason in customer.missing}
    for name, field in FIELDS.items():
        if field.is_personal or field.type is FieldType.TAGS:
            continue
        if not personal and name in PRIVATE_FIELDS:
            continue
        reason = next((missing[key] for key in sorted(field.record_keys) if key in missing), "")
        value = fact_value(name, facts=facts, customer=customer)
        text = (
            t(f"missing.{reason}")
            if reason
            else format_value(name, value, translator=t, currency=compiled.rule_set.currency)
        )
        if reason or value is not None:
            yield t(f"field.{name}"), text


def _chip(explanation: CustomerExplanation, tag: TagExplanation, t: Translator) -> Chip:
    origin = describe_origin(tag, explanation, translator=t)
    return Chip(tag.tag, anchor_of(tag.tag), origin, tag.origin != "others", tag.will_be_removed)


def _cards(explanation: CustomerExplanation, t: Translator) -> Iterator[Card]:
    """Tiers first, then the rules whose tag the customer has, then the others. A tag's first card has its anchor."""
    present = {fold(tag.tag) for tag in explanation.tags}
    anchored: set[str] = set()
    for tier in explanation.tiers:
        yield _tier_card(explanation, tier, t, _new_anchors([*tier.tier.level_by_tag], anchored))
    for rule in sorted(explanation.rules, key=lambda each: each.rule.key not in present):
        anchors = _new_anchors([rule.rule.key], anchored)
        yield _rule_card(explanation, rule, t, anchors, has_tag=rule.rule.key in present)


def _new_anchors(tags: list[str], anchored: set[str]) -> tuple[str, ...]:
    new = tuple(tag for tag in tags if tag not in anchored)
    anchored.update(new)
    return tuple(map(anchor_of, new))


def _rule_card(
    explanation: CustomerExplanation,
    rule: RuleExplanation,
    t: Translator,
    anchors: tuple[str, ...],
    *,
    has_tag: bool,
) -> Card:
    currency = explanation.rule_set.rule_set.currency
    return Card(
        id=rule.rule.id,
        title=rule.rule.rule.display_name(t.language),
        anchors=anchors,
        tag=rule.rule.tag,
        has_tag=has_tag,
        status=_sentence(describe_status(rule, translator=t)),
        lines=tuple(trace_outline(rule.trace, translator=t, currency=currency)),
        levels=(),
        notes=tuple(removed_by_others(explanation, [rule.rule.key], translator=t)),
        scheduled=describe_scheduled(rule.scheduled, translator=t),
        is_excluded=rule.rule.id in explanation.input.state.excluded_rules,
    )


def _tier_card(
    explanation: CustomerExplanation, tier: TierExplanation, t: Translator, anchors: tuple[str, ...]
) -> Card:
    return Card(
        id=tier.tier.id,
        title=tier.tier.tier.display_name(t.language),
        anchors=anchors,
        tag="",
        has_tag=tier.current is not None,
        status=_sentence(describe_tier(tier, translator=t)),
        lines=(),
        levels=tuple(_levels(explanation, tier, t)),
        notes=tuple(removed_by_others(explanation, tier.tier.level_by_tag, translator=t)),
        scheduled=describe_scheduled(tier.scheduled, translator=t),
        is_excluded=tier.is_excluded,
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _levels(explanation: CustomerExplanation, tier: TierExplanation, t: Translator) -> Iterator[Level]:
    """The level that the customer earns, and before it the next one with what is missing."""
    if tier.missing:
        return
    currency, levels = explanation.rule_set.rule_set.currency, tier.tier.levels
    above = len(levels) - 1 if tier.earned is None else tier.earned - 1
    for index, is_next in ((above, True), (tier.earned, False)):
        if index is not None and index >= 0:
            lines = trace_outline(tier.traces[index], translator=t, currency=currency)
            yield Level(levels[index].tag, is_next, tuple(lines))


def _moment(explained: Explained, row: LedgerRow, t: Translator) -> Moment:
    explanation, entry = explained.explanation, row.entry
    return Moment(
        at_ms=row.at_ms,
        is_added=entry.action == "+",
        tag=entry.tag,
        rule=rule_title(explanation, entry.rule, translator=t),
        version=entry.version,
        cause=format_cause(entry.cause, words=t),
        why=t(f"why.{entry.why}") if t.has(f"why.{entry.why}") else "",
        values=tuple(format_values(entry, words=t, currency=explanation.rule_set.rule_set.currency)),
        written=entry.written,
        entry=row.id,
        delivery=entry.delivery,
    )


def _events(explained: Explained, t: Translator) -> list[Event]:
    """Our writes, and the last change by others of each tag, newest first."""
    explanation = explained.explanation
    currency, zone = explanation.rule_set.rule_set.currency, explanation.rule_set.calendar.zone
    customer = CustomerId(explanation.input.customer.id)
    events = []
    for row in explained.ledger:
        entry = row.entry
        reason = t(f"why.{entry.why}") if t.has(f"why.{entry.why}") else ""
        rule = rule_title(explanation, entry.rule, translator=t)
        parts = [
            t("customers.by_rule", rule=rule, version=entry.version),
            format_cause(entry.cause, words=t),
            reason,
            *format_values(entry, words=t, currency=currency),
        ]
        text = " · ".join(filter(None, parts))
        day = f"{datetime.fromtimestamp(row.at_ms / 1000, zone):%d/%m/%Y}"
        path = moment_path(explained.org, customer, entry.tag, version=entry.version, day=day, entry=row.id)
        events.append(Event(row.at_ms, entry.action == "+", entry.tag, text, entry.written, path))
    others = t("customers.by_others")
    events += [
        Event(change.at_ms, change.added, change.tag, others)
        for change in explanation.input.external_changes.values()
    ]
    return sorted(events, key=lambda event: event.at_ms, reverse=True)
