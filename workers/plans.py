"""Plans: what is to be written for a customer, and what becomes of it once Haravan has answered."""

from __future__ import annotations

from typing import Final

import msgspec

from service.domain.strikes import REVERTS_CODEC, record_reverts
from service.domain.tags import fold
from service.store.settlements import Item, Letter, Mark


class Plan(msgspec.Struct, frozen=True, array_like=True):
    """What is to be written for one customer, and what is to be kept once it is. Lives 30 s at most."""

    version: int
    decided_ms: int
    add: tuple[str, ...]
    remove: tuple[str, ...]
    expected: tuple[str, ...]  # folded tags of the answer, sorted
    read: str  # the digest of the record as it will be
    snap: bytes
    owned: bytes
    held: bytes
    intents: bytes  # to be stored before the first call
    intents_after: bytes
    day: int | None
    entries: list[bytes]
    strikes: bytes
    again_ms: int | None
    letter: Letter | None = None
    drift: list[str] = []  # what others did to the tags; msgspec copies an empty default
    restored: bytes = b""  # what was to be put back


pack_plan = msgspec.msgpack.Encoder().encode
unpack_plan = msgspec.msgpack.Decoder(Plan).decode
PLAN_MS: Final = 30_000  # an older plan is refused by permit.lua


def written(mark: Mark, plan: Plan) -> Item:
    """The plan was carried out, and the answer was as expected: only that state is no news from now on."""
    return Item(
        op="clear",
        cid=str(mark.customer),
        n=mark.n,
        read=plan.read,
        snap=plan.snap,
        owned=plan.owned,
        held=plan.held,
        intents=plan.intents_after,
        day=plan.day,
        entries=plan.entries,
        drift=plan.drift,
        restored=plan.restored or None,
        added=len(plan.add),
        removed=len(plan.remove),
        answered=True,
        letter=plan.letter,
        again=plan.again_ms,
    )


def disagrees(mark: Mark, plan: Plan, *, answered: frozenset[str], now_ms: int) -> Item:
    """The answer's tags are not what we expected: read and decide again.

    Somebody may have changed them meanwhile. But what we gave and is not there, or took and is, counts as
    undone: else a tag that Haravan stores otherwise would be written for ever.
    """
    undone = [tag for tag in map(fold, plan.add) if tag not in answered]
    undone += [tag for tag in map(fold, plan.remove) if tag in answered]
    strikes = record_reverts(REVERTS_CODEC.decode(plan.strikes), dict.fromkeys(undone, now_ms), now_ms=now_ms)
    return Item(op="ready", cid=str(mark.customer), n=mark.n, strikes=REVERTS_CODEC.encode(strikes))
