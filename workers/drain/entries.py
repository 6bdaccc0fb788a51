"""What a judgement leaves to be read later: entries of the ledger, and tags that others changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from service.domain.customers import Customer, external_changes, fold
from service.domain.decisions import TagOutcome
from service.domain.sync import UpToDate
from service.store.history import LedgerEntry, encode_entry, prior_state
from service.store.queue import Mark


def cause_of(mark: Mark) -> str:
    """Why the customer was looked at, in a word: the last reason that was given."""
    return mark.reasons.rpartition(",")[2]


def ledger_entry(mark: Mark, outcome: TagOutcome, version: int, *, written: bool) -> bytes:
    """One tag that is added or removed; not `written` in shadow mode."""
    return encode_entry(
        LedgerEntry(
            action="+" if outcome.effect == "add" else "-",
            tag=outcome.tag,
            rule=outcome.rule,
            version=version,
            cause=cause_of(mark),
            values=outcome.evidence,
            delivery=mark.last_delivery,
            why=outcome.cause,
            written=written,
            prior=prior_state(outcome.undo, outcome.rule),
        )
    )


def digest(changes: Iterable[TagOutcome]) -> str:
    """The same for the same tags by the same rules, whatever amounts and versions led to it."""
    said = sorted((one.effect == "add", one.tag, one.rule, one.cause) for one in changes)
    return hashlib.blake2b(msgspec.json.encode(said), digest_size=8).hexdigest()


def recovered_writes(result: UpToDate) -> list[bytes]:
    """Writes whose answer was lost: the record shows that they arrived, so the ledger gets its entry now."""
    return [
        encode_entry(
            LedgerEntry(
                action="-" if one.is_removal else "+",
                tag=one.tag,
                rule=one.rule,
                version=one.version,
                cause="recovered",
                values=one.evidence,
                why=one.cause or "recovered",
                prior=prior_state(one.undo, one.rule),
            )
        )
        for one in result.recovered_writes
    ]


def reverted_tags(result: UpToDate) -> list[str]:
    """Tags of ours that somebody took off."""
    return [f"-{tag}" for tag in result.reverted_tags]


def manual_changes(result: UpToDate, seen: Customer | None, owned: Iterable[str] = ()) -> list[str]:
    """What else others did to the tags; `owned`: folded tags that were ours until this decision."""
    kept = result.stored
    begun = (fold(one.tag) for one in (*kept.intents.values(), *result.recovered_writes))
    known = {*kept.state.ownership, *owned, *begun, *map(fold, result.reverted_tags)}
    return external_changes(previous=seen, current=result.customer, ignore=known)
