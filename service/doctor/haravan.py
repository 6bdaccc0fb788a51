"""What Haravan's answers say about a shop. The command line makes the calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from service.doctor.findings import Finding, Writer
from service.domain.explain import Translator
from service.errors import HaravanError, TokenRejected
from service.store.shops import Shop

TOPIC: Final = "customers/update"
UNAUTHORIZED: Final = 401


@dataclass(frozen=True, slots=True)
class HaravanFacts:
    """The answers to four questions. An exception is an answer too."""

    owner: str | HaravanError  # the org id to which the token belongs; "" if the API does not say
    missing_scopes: Sequence[str] | HaravanError
    customers: int | HaravanError
    topics: Sequence[str] | HaravanError  # of the webhook subscription
    address: str = ""  # to which webhooks are delivered


def judge_haravan(shop: Shop, facts: HaravanFacts, words: Translator) -> tuple[Finding, ...]:
    """The findings about the token of a shop and its subscription."""
    writer = Writer(words, org=shop.org, timezone=shop.timezone)
    _judge_token(shop, facts, writer)
    if not any(finding.key == "token_rejected" for finding in writer.findings):
        _judge_subscription(facts, writer)
    return tuple(writer.findings)


def _judge_token(shop: Shop, facts: HaravanFacts, writer: Writer) -> None:
    if isinstance(facts.owner, str) and facts.owner not in ("", shop.org):
        writer.alarm("token_of_other_shop", other=facts.owner)
        return
    answers = (facts.missing_scopes, facts.owner, facts.customers)
    if any(isinstance(answer, TokenRejected) and answer.status == UNAUTHORIZED for answer in answers):
        writer.alarm("token_rejected")
    elif isinstance(facts.missing_scopes, HaravanError):
        writer.alarm("haravan_unavailable", why=str(facts.missing_scopes))
    elif facts.missing_scopes:
        writer.alarm("scope_missing", scopes=writer.words.join_list(facts.missing_scopes))
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
