"""What is wrong with one shop, as far as Redis knows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from service.doctor.findings import Severity, Writer
from service.domain.engine import CompiledRules
from service.domain.explain import Translator
from service.domain.preview import LintWarning, describe_warning
from service.domain.sync import RejectionReason
from service.settings import Settings
from service.store.history import Tally
from service.store.rules import Version
from service.store.shop_facts import ShopFacts
from service.store.shops import TOKEN_REJECTED, UNINSTALLED, Shop

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
MAX_QUEUE_AGE_S: Final = 300
MIN_REFUSED: Final = 5  # in a row, as for the alert webhook_signature_failures
SILENT_MS: Final = 2 * DAY_MS  # without a webhook
LONG_SILENT_MS: Final = 7 * DAY_MS
NEW_MS: Final = (
    DAY_MS  # after the publish of the live rules, so long somebody may still be setting up the shop
)
MAX_RECONCILE_AGE_MS: Final = 50 * HOUR_MS  # the nightly one, with time for retries
MANY_CHANGES: Final = 50  # of our tags by hand within a day


@dataclass(frozen=True, slots=True)
class ShopRules:
    """The live rules of a shop: a version, None if there is none, and what is wrong with what they read."""

    version: Version | None = None
    compiled: CompiledRules | None = None
    is_readable: bool = True
    sampled: int = 0  # customers whose records were looked at; 0: all
    missing: Sequence[LintWarning] = ()  # fields that records lack
    values: Sequence[LintWarning] = ()  # values that nobody has; loaded only by a deep diagnosis


def judge_shop(
    shop: Shop,
    facts: ShopFacts,
    rules: ShopRules,
    *,
    settings: Settings,
    first_fingerprint: str,
    writer: Writer,
) -> None:
    """Write the findings about a shop. `first_fingerprint` is that of the key that should wrap its data keys."""
    is_new = rules.version is None or facts.now_ms - rules.version.at_ms < NEW_MS
    _judge_state(shop, writer, is_new=is_new)
    _judge_freeze(shop, writer, now_ms=facts.now_ms)
    if facts.is_publish_stopped:
        writer.alarm("scheduled_publish_stopped")
    if facts.request is not None:
        writer.warn("approval_requested", by=facts.request.by, since_ms=facts.request.at_ms)
    if facts.key_fingerprints - {first_fingerprint}:
        writer.warn("keys_old")
    _judge_webhooks(shop, facts, settings, writer, is_new=is_new)
    _judge_rules(shop, rules, writer)
    _judge_queue(facts, settings, writer)
    _judge_dead_letters(facts, writer)
    if facts.manual_changes >= MANY_CHANGES:
        writer.warn("manual_changes", count=facts.manual_changes)
    _judge_reconcile(shop, facts, rules, writer)
    _judge_endpoints(facts, writer)


def _judge_state(shop: Shop, writer: Writer, *, is_new: bool) -> None:
    if shop.paused:
        key = {TOKEN_REJECTED: "shop_paused_token", UNINSTALLED: "shop_uninstalled"}.get(
            shop.paused, "shop_paused"
        )
        writer.alarm(key, why=shop.paused, by=shop.paused_by, since_ms=shop.paused_since_ms)
        return
    if shop.removals_paused:
        writer.alarm("removals_paused", why=shop.removals_paused)
    if shop.shadow:
        writer.warn("shadow_mode")
    elif shop.first_look != "complete":
        severity = Severity.WARNING if is_new and shop.first_look == "pending" else Severity.CRITICAL
        writer.add(severity, f"first_look_{shop.first_look}")
    elif not shop.removals_paused:
        writer.ok("shop", name=shop.name, dialect=shop.dialect)


def _judge_freeze(shop: Shop, writer: Writer, *, now_ms: int) -> None:
    if shop.freeze is None or not shop.is_frozen(now_ms):
        return
    last = writer.words.day(shop.freeze.last)
    if shop.freeze.waiting_ms:
        writer.alarm("freeze_waiting", last=last)
    else:
        writer.ok("frozen", last=last, by=shop.freeze.by)


def _judge_webhooks(
    shop: Shop, facts: ShopFacts, settings: Settings, writer: Writer, *, is_new: bool
) -> None:
    refused = {
        reason: tally
        for reason, tally in facts.webhooks.rejected.items()
        if tally.last_ms > (facts.webhooks.accepted_ms or 0)
    }
    keys = {
        RejectionReason.CONTENT_ENCODING: "webhooks_compressed",
        RejectionReason.NO_SECRET: "webhooks_without_secret",
    }
    by_key: dict[str, Tally] = {}
    for reason, tally in refused.items():
        key = keys.get(RejectionReason(reason), "webhooks_refused")
        by_key[key] = by_key[key] + tally if key in by_key else tally
    for key, tally in by_key.items():
        # a single one may be from anybody who knows the address
        severity = Severity.CRITICAL if tally.count >= MIN_REFUSED else Severity.WARNING
        writer.add(severity, key, count=tally.count, since_ms=tally.first_ms)
    if not by_key:
        has_secret = bool(shop.secret or settings.webhook_secrets)
        _judge_silence(facts, writer, has_secret=has_secret, is_new=is_new)


def _judge_silence(facts: ShopFacts, writer: Writer, *, has_secret: bool, is_new: bool) -> None:
    accepted_ms = facts.webhooks.accepted_ms
    if not has_secret and facts.now_ms - (accepted_ms or 0) > SILENT_MS:
        writer.alarm("secret_missing")
    elif accepted_ms is None:
        writer.add(Severity.WARNING if is_new else Severity.CRITICAL, "webhooks_never")
    elif (silent_ms := facts.now_ms - accepted_ms) > SILENT_MS:
        severity = Severity.CRITICAL if silent_ms > LONG_SILENT_MS else Severity.WARNING
        writer.add(severity, "webhooks_silent", since_ms=accepted_ms)
    else:
        writer.ok("webhooks", last_ms=accepted_ms)


def _judge_rules(shop: Shop, rules: ShopRules, writer: Writer) -> None:
    if not rules.is_readable:
        writer.alarm("rules_unreadable")
        return
    if rules.version is None or rules.compiled is None:
        writer.alarm("rules_missing")
        return
    rule_set = rules.compiled.rule_set
    if (rule_set.timezone, rule_set.currency) != (shop.timezone, shop.currency):
        ours, theirs = (f"{each.timezone}, {each.currency}" for each in (rule_set, shop))
        writer.alarm("rules_of_other_shop", rules=ours, shop=theirs)
        return
    for key, warnings in (("fields_missing", rules.missing), ("values_unknown", rules.values)):
        for warning in warnings:
            text = describe_warning(warning, translator=writer.words, compiled=rules.compiled)
            if rules.sampled and key == "fields_missing":
                text = writer.words("doctor.sampled", sample=writer.words.number(rules.sampled), text=text)
            writer.warn(key, text=text, field=warning.params.get("name", warning.params.get("field", "")))
    if not rules.missing and not rules.values:
        writer.ok("rules", number=rules.version.number, author=rules.version.author)


def _judge_queue(facts: ShopFacts, settings: Settings, writer: Writer) -> None:
    words = writer.words
    for kind, until_ms in facts.open_breakers.items():
        writer.alarm(f"breaker_{kind}", until_ms=until_ms)
    customers = facts.backlog.customers
    if customers["live"] + customers["delayed"] >= settings.shop_max_waiting:
        writer.alarm("shop_over_quota", waiting=words.plural("customers", facts.backlog.waiting))
    waiting = words.plural("customers", facts.backlog.waiting)
    if facts.backlog.oldest_s > MAX_QUEUE_AGE_S:
        minutes = words.plural("minutes", int(facts.backlog.oldest_s // 60))
        writer.alarm("queue_late", waiting=waiting, oldest=minutes)
    else:
        writer.ok("queue", waiting=waiting)


def _judge_reconcile(shop: Shop, facts: ShopFacts, rules: ShopRules, writer: Writer) -> None:
    """Paused shops and shops without rules have no nightly reconcile."""
    if facts.nightly is None or shop.paused or rules.version is None:
        return
    if facts.now_ms - facts.nightly.looked_ms > MAX_RECONCILE_AGE_MS:
        writer.warn("reconcile_late", since_ms=facts.nightly.looked_ms)


def _judge_endpoints(facts: ShopFacts, writer: Writer) -> None:
    for endpoint, state in facts.endpoints:
        if endpoint.disabled == "by_hand":
            writer.ok("endpoint_off", endpoint=endpoint.id)
        elif endpoint.disabled:
            writer.warn("endpoint_disabled", endpoint=endpoint.id, since_ms=state.failed_ms)


def _judge_dead_letters(facts: ShopFacts, writer: Writer) -> None:
    words = writer.words
    if not facts.backlog.dead_letters:
        writer.ok("dead_letters")
        return
    causes = [f"{_cause(kind, words)} ({words.number(count)})" for kind, count in facts.dead_letters.items()]
    writer.alarm(
        "dead_letters_open",
        customers=words.plural("customers", facts.backlog.dead_letters),
        causes=words.truncate_list(causes),
    )


def _cause(kind: str, words: Translator) -> str:
    key = f"doctor.cause.{kind}"
    return words(key) if words.has(key) else kind
