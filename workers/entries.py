"""What a judgement leaves to be read later: entries of the ledger, and tags that others changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from service.domain.customers import Customer
from service.domain.judgement import Settled
from service.domain.reasons import Reason
from service.domain.tags import fold
from service.domain.touches import changed_by_others
from service.store.ledger import Entry, before_of, pack_entry
from service.store.settlements import Mark


def cause_of(mark: Mark) -> str:
    """Why the customer was looked at, in a word: the last reason that was given."""
    return mark.reasons.rpartition(",")[2]


def entry(mark: Mark, reason: Reason, version: int, *, written: bool) -> bytes:
    """One tag that is given or taken; not `written` in shadow mode."""
    return pack_entry(
        Entry(
            action="+" if reason.added else "-",
            tag=reason.tag,
            rule=reason.rule,
            version=version,
            cause=cause_of(mark),
            values=reason.values,
            delivery=mark.last_delivery,
            why=reason.why,
            written=written,
            before=before_of(reason.stood, reason.rule),
        )
    )


def digest(reasons: Iterable[Reason]) -> str:
    """The same for the same tags by the same rules, whatever amounts and versions led to it."""
    said = sorted((one.added, one.tag, one.rule, one.why) for one in reasons)
    return hashlib.blake2b(msgspec.json.encode(said), digest_size=8).hexdigest()


def recovered(judged: Settled) -> list[bytes]:
    """Writes whose answer was lost: the record shows that they arrived, so the ledger gets its entry now."""
    return [
        pack_entry(
            Entry(
                action="-" if one.taken else "+",
                tag=one.tag,
                rule=one.rule,
                version=one.version,
                cause="recovered",
                values=one.values,
                why=one.why or "recovered",
                before=before_of(one.stood, one.rule),
            )
        )
        for one in judged.recovered
    ]


def undone(judged: Settled) -> list[str]:
    """Tags of ours that somebody took off."""
    return [f"-{tag}" for tag in judged.drifted]


def by_others(judged: Settled, seen: Customer | None, owned: Iterable[str] = ()) -> list[str]:
    """What else others did to the tags; `owned`: folded tags that were ours until this decision."""
    kept = judged.background
    begun = (fold(one.tag) for one in (*kept.intents.values(), *judged.recovered))
    known = {*kept.standing.owned, *owned, *begun, *map(fold, judged.drifted)}
    return changed_by_others(seen=seen, record=judged.customer, ours=known)
