"""What happened to a customer's tags, as lines for people: what we wrote, what others changed, what is not done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from service.domain.customers import ExternalChange, fold
from service.domain.explain import CustomerExplanation, Translator, format_value, rule_title
from service.store.history import Delivery, LedgerEntry, LedgerRow
from service.store.queue import DeadLetter


def format_history(
    told: CustomerExplanation, ledger: Iterable[LedgerRow], *, words: Translator, tag: str = ""
) -> list[str]:
    """What we wrote, and the last that others did to each tag (or to this one), the newest first."""
    said = [(one.at_ms, _written(told, one, words)) for one in ledger]
    touches = told.input.external_changes.items()
    said += [
        (touch.at_ms, _touched(told, touch, words)) for key, touch in touches if not tag or key == fold(tag)
    ]
    return [line for _, line in sorted(said, key=lambda each: each[0], reverse=True)]


def format_dead_letter(one: DeadLetter, *, words: Translator) -> str:
    """What is not done, and why; the technical part of it is in English."""
    kind, _, tags = one.cause.partition(":")
    if not words.has(f"letter.{kind}"):
        return f"{one.cause}: {one.text}"
    return words(f"letter.{kind}", tags=tags, text=one.text)


def format_deliveries(
    told: CustomerExplanation, deliveries: Sequence[Delivery], *, words: Translator
) -> list[str]:
    """Which webhooks came, and what became of them."""
    return [
        f"{_moment(told, one.at_ms, words)} {one.topic}: "
        + (words(f"outcome.{one.outcome}") if words.has(f"outcome.{one.outcome}") else one.outcome)
        for one in deliveries
    ]


def format_cause(cause: str, *, words: Translator) -> str:
    """Why a customer was looked at, in words: `delivery`, `replay:R1`, …"""
    kind, _, run = cause.partition(":")
    return words(f"cause.{kind}", run=run) if words.has(f"cause.{kind}") else cause


def _written(told: CustomerExplanation, one: LedgerRow, words: Translator) -> str:
    entry = one.entry
    why = words(f"why.{entry.why}") if words.has(f"why.{entry.why}") else ""
    values = ", ".join(_values(told, entry, words))
    said = words(
        "ledger.line",
        moment=_moment(told, one.at_ms, words),
        action="+" if entry.action == "+" else "−",
        tag=entry.tag,
        rule=rule_title(told, entry.rule, translator=words),
        version=entry.version,
        cause=format_cause(entry.cause, words=words),
        values="".join(f" · {part}" for part in (why, values) if part),
    )
    return said if entry.written else f"{said} {words('ledger.shadow')}"


def _values(told: CustomerExplanation, entry: LedgerEntry, words: Translator) -> Iterator[str]:
    """What decided; that none of the tags which a rule names were there is left out."""
    currency = told.rule_set.rule_set.currency
    for name, value in entry.values.items():
        if words.has(f"field.{name}") and value != []:
            yield f"{words(f'field.{name}')}: {format_value(name, value, translator=words, currency=currency)}"


def _touched(told: CustomerExplanation, touch: ExternalChange, words: Translator) -> str:
    moment, action = _moment(told, touch.at_ms, words), "+" if touch.added else "−"
    return words("ledger.touched", moment=moment, action=action, tag=touch.tag)


def _moment(told: CustomerExplanation, ms: int, words: Translator) -> str:
    at = datetime.fromtimestamp(ms / 1000, tz=UTC).astimezone(told.rule_set.calendar.zone)
    return f"{words.day(at.date())} {at:%H:%M}"
