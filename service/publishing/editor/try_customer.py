"""Trying a draft rule on one customer: each condition with the customer's own value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service.context import Context
from service.domain.customers import CustomerId, OrgId
from service.domain.documents import InvalidRules
from service.domain.engine import compile_rules
from service.domain.explain import ExplainInput, Language, explain_customer, render_text
from service.errors import NotFound
from service.locales import translator_for
from service.publishing.editor.copies import entry_of
from service.publishing.editor.inspection import related_rules
from service.sentence import Sentence
from service.store.client import keys
from service.store.customers import kept_fields, load_states, read_snapshot, to_stored_state


@dataclass(frozen=True, slots=True)
class TriedCustomer:
    """The explanation as lines. Empty if the customer is not known, or if the rule has errors."""

    customer: int
    lines: tuple[str, ...] = ()


async def try_customer(
    context: Context,
    org: OrgId,
    document: dict[str, Any],
    entry_id: str,
    customer: CustomerId,
    language: Language,
) -> TriedCustomer:
    """Explain what a rule of a draft decides for one customer. Runs in the CPU pool. Raises NotFound."""
    shop, words = await context.shops.get_or_raise(org), translator_for(language)
    kind, index, _ = entry_of(document, entry_id)
    try:
        compiled = compile_rules(related_rules(document, kind, index))
    except InvalidRules:
        return TriedCustomer(customer)
    packed = await context.redis.hget(keys.shop(org, "snapshots"), str(customer))
    if packed is None:
        raise NotFound(
            Sentence("customer {customer} of shop {org} was never evaluated", customer=customer, org=org)
        )
    record = read_snapshot(packed).open(shop.cipher, needed=kept_fields(compiled.required_keys))
    stored = to_stored_state((await load_states(context.redis, org, [customer]))[customer])
    now_ms = await context.now_ms()
    explanation = explain_customer(
        compiled,
        ExplainInput(
            customer=record,
            state=stored.state,
            today=compiled.local_day(now_ms),
            now_ms=now_ms,
            version=0,
            intents=stored.intents,
        ),
    )
    lines = render_text(explanation, translator=words)
    return TriedCustomer(customer, tuple(lines[1:]))
