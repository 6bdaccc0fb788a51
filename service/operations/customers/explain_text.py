"""A customer's history as lines of text: our writes, the changes by others, dead letters, deliveries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from service.domain.customers import ExternalChange, fold
from service.domain.explain import CustomerExplanation, Translator, format_value, rule_title
from service.store.history import Delivery, LedgerEntry, LedgerRow
from service.store.queue import DeadLetter


def format_history(
    explanation: CustomerExplanation, ledger: Iterable[LedgerRow], *, words: Translator, tag: str = ""
) -> list[str]:
    """Our writes, and the last change by others of each tag (or of `tag`), newest first."""
    lines = [(row.at_ms, _format_row(explanation, row, words)) for row in ledger]
    lines += [
        (change.at_ms, _format_external_change(explanation, change, words))
        for key, change in explanation.input.external_changes.items()
        if not tag or key == fold(tag)
    ]
    return [line for _, line in sorted(lines, key=lambda pair: pair[0], reverse=True)]


def format_dead_letter(letter: DeadLetter, *, words: Translator) -> str:
    """What was not done, and why. The technical text in it is English."""
    kind, _, tags = letter.cause.partition(":")
    if not words.has(f"letter.{kind}"):
        return f"{letter.cause}: {letter.text}"
    return words(f"letter.{kind}", tags=tags, text=letter.text)


def format_deliveries(
    explanation: CustomerExplanation, deliveries: Sequence[Delivery], *, words: Translator
) -> list[str]:
    """Each delivery with its outcome."""
    return [
        f"{_format_time(explanation, delivery.at_ms, words)} {delivery.topic}: "
        + outcome_text(delivery.outcome, words=words)
        for delivery in deliveries
    ]


def format_cause(cause: str, *, words: Translator) -> str:
    """Why a customer was queued, in words: `delivery`, `replay:R1`, …"""
    kind, _, run = cause.partition(":")
    return words(f"cause.{kind}", run=run) if words.has(f"cause.{kind}") else cause


def outcome_text(outcome: str, *, words: Translator) -> str:
    """What followed from a webhook, in words: `marked`, `echo`, `ignored:reason`."""
    kind, _, reason = outcome.partition(":")
    key = f"outcome.{kind}.{reason}" if reason else f"outcome.{kind}"
    return _translate(key, outcome, words)


def _format_row(explanation: CustomerExplanation, row: LedgerRow, words: Translator) -> str:
    entry = row.entry
    reason = _translate(f"why.{entry.why}", "", words)
    values = ", ".join(format_values(entry, words=words, currency=explanation.rule_set.rule_set.currency))
    line = words(
        "ledger.line",
        moment=_format_time(explanation, row.at_ms, words),
        action="+" if entry.action == "+" else "−",
        tag=entry.tag,
        rule=rule_title(explanation, entry.rule, translator=words),
        version=entry.version,
        cause=format_cause(entry.cause, words=words),
        values="".join(f" · {part}" for part in (reason, values) if part),
    )
    return line if entry.written else f"{line} {words('ledger.shadow')}"


def format_values(entry: LedgerEntry, *, words: Translator, currency: str) -> Iterator[str]:
    """The values that decided. An empty list is left out: it says that the customer had none of the rule's tags."""
    for name, value in entry.values.items():
        if words.has(f"field.{name}") and value != []:
            yield f"{words(f'field.{name}')}: {format_value(name, value, translator=words, currency=currency)}"


def _format_external_change(
    explanation: CustomerExplanation, change: ExternalChange, words: Translator
) -> str:
    moment = _format_time(explanation, change.at_ms, words)
    return words("ledger.touched", moment=moment, action="+" if change.added else "−", tag=change.tag)


def _format_time(explanation: CustomerExplanation, ms: int, words: Translator) -> str:
    moment = datetime.fromtimestamp(ms / 1000, tz=UTC).astimezone(explanation.rule_set.calendar.zone)
    return f"{words.day(moment.date())} {moment:%H:%M}"


def _translate(key: str, default: str, words: Translator) -> str:
    return words(key) if words.has(key) else default
