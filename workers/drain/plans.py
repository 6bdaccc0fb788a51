"""Write plans: what is to be written for a customer, and what becomes of it once Haravan has answered."""

from __future__ import annotations

from typing import Final

import msgspec

from service.domain.customers import fold
from service.domain.sync import REVERTS_CODEC, record_reverts
from service.store.queue import DeadLetterDraft, Mark, Settlement


class WritePlan(msgspec.Struct, frozen=True, array_like=True):
    """What is to be written for one customer, and what is saved once it is. Lives 30 s at most."""

    version: int
    decided_ms: int
    add: tuple[str, ...]
    remove: tuple[str, ...]
    expected: tuple[str, ...]  # folded tags of the answer, sorted
    echo_digest: str  # of the record as it will be
    snapshot: bytes
    owned: bytes
    holds: bytes
    intents: bytes  # to be stored before the first call
    intents_after: bytes
    next_change_day: int | None
    ledger_entries: list[bytes]
    reverts: bytes
    recheck_ms: int | None
    dead_letter: DeadLetterDraft | None = None
    drift: list[str] = []  # manual changes of the tags; msgspec copies an empty default
    settled_restores: bytes = b""


encode_plan = msgspec.msgpack.Encoder().encode
decode_plan = msgspec.msgpack.Decoder(WritePlan).decode
PLAN_MS: Final = 30_000  # an older plan is refused by permit.lua
WRITTEN: Final = "written"  # the note of a settlement after a successful write


def after_success(mark: Mark, plan: WritePlan) -> Settlement:
    """The plan was written, and the answer was as expected: from now on an event with that record is an echo."""
    return Settlement(
        op="complete",
        mark=mark,
        echo_digests=plan.echo_digest,
        snapshot=plan.snapshot,
        owned=plan.owned,
        holds=plan.holds,
        intents=plan.intents_after,
        next_change_day=plan.next_change_day,
        ledger_entries=plan.ledger_entries,
        drift=plan.drift,
        settled_restores=plan.settled_restores or None,
        added=plan.add,
        removed=plan.remove,
        is_answered=True,
        dead_letter=plan.dead_letter,
        recheck_ms=plan.recheck_ms,
        note=WRITTEN,
    )


def after_mismatch(mark: Mark, plan: WritePlan, *, answered: frozenset[str], now_ms: int) -> Settlement:
    """The answer's tags are not what we expected: read and decide again.

    Somebody may have changed them meanwhile. But a tag that we added and is not there, or removed and is, counts as
    reverted: else a tag that Haravan stores otherwise would be written for ever.
    """
    reverted = [tag for tag in map(fold, plan.add) if tag not in answered]
    reverted += [tag for tag in map(fold, plan.remove) if tag in answered]
    history = REVERTS_CODEC.decode(plan.reverts)
    reverts = record_reverts(history, dict.fromkeys(reverted, now_ms), now_ms=now_ms)
    return Settlement(op="requeue", mark=mark, reverts=REVERTS_CODEC.encode(reverts), note="disagrees")
