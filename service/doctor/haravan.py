"""What Haravan's answers say about a shop. Whoever may call Haravan makes the calls; here they are judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.doctor.findings import Finding, Writer
from service.domain.explain import Translator
from service.errors import HaravanError, TokenRejected
from service.store.shops import Shop

TOPIC = "customers/update"


@dataclass(frozen=True, slots=True)
class HaravanFacts:
    """The answers to four questions. An exception is an answer too. None: the question was not asked."""

    owner: str | HaravanError  # the org id to which the token belongs; "" if the API does not say
    customers: int | HaravanError
    write: HaravanError | None  # why the token may not write; None if it may
    topics: Sequence[str] | HaravanError  # of the webhook subscription
    address: str = ""  # to which webhooks are delivered


def judge_haravan(shop: Shop, facts: HaravanFacts, words: Translator) -> tuple[Finding, ...]:
    """The findings about the token of a shop and its subscription."""
    writer = Writer(words, org=shop.org, timezone=shop.timezone)
    _judge_token(shop, facts, writer)
    if not isinstance(facts.owner, TokenRejected) or facts.owner.status != 401:
        _judge_subscription(facts, writer)
    return tuple(writer.findings)


def _judge_token(shop: Shop, facts: HaravanFacts, writer: Writer) -> None:
    if isinstance(facts.owner, str) and facts.owner not in ("", shop.org):
        writer.alarm("token_of_other_shop", other=facts.owner)
        return
    errors = [
        error for error in (facts.owner, facts.customers, facts.write) if isinstance(error, HaravanError)
    ]
    rejected = next((error for error in errors if isinstance(error, TokenRejected)), None)
    if rejected is not None and rejected.status == 401:
        writer.alarm("token_rejected")
    elif isinstance(facts.customers, TokenRejected):
        writer.alarm("scope_missing", scope="com.read_customers")
    elif isinstance(facts.write, TokenRejected):
        writer.alarm("scope_missing", scope="com.write_customers")
    elif isinstance(facts.customers, HaravanError):
        writer.alarm("haravan_unavailable", why=str(facts.customers))
    else:
        writer.ok("token", customers=writer.words.plural("customers", facts.customers))


def _judge_subscription(facts: HaravanFacts, writer: Writer) -> None:
    topics = facts.topics
    if isinstance(topics, TokenRejected):
        writer.warn("subscription_unknown")
    elif isinstance(topics, HaravanError):
        writer.alarm("haravan_unavailable", why=str(topics))
    elif not topics:
        writer.alarm("subscription_missing")
    elif TOPIC not in topics:
        writer.alarm("topic_missing", topic=TOPIC, topics=writer.words.truncate_list(topics))
    else:
        writer.ok("subscription", topics=writer.words.truncate_list(topics), address=facts.address)
