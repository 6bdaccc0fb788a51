"""What a drain receives and returns for a customer: its mark when it was dequeued, and its settlement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgpack
import msgspec

from service.domain.customers import CustomerId
from service.store.queue.dirty import Lane

Outcome = Literal["done", "lease_lost", "version_changed", "superseded", "schedule_passed", "shadow_changed"]


class Mark(NamedTuple):
    """A marked customer as it was dequeued."""

    customer: CustomerId
    generation: int
    lane: Lane
    enqueued_ms: int
    updated_ms: int = 0  # the newest `updated_at` of the bodies that marked it; 0 = unknown
    attempts: int = 0
    missing_since_ms: int = 0  # since the first 404; 0 = not missing
    stale_reads: int = 0  # how often the record that we read was older than its webhook
    reasons: str = ""  # comma-joined: `delivery`, `replay:R1`, …
    last_delivery: str = ""  # the id of the last delivery that marked it
    failed_drains: int = (
        0  # drains in a row that ended badly while they held it; from the second one it is dequeued alone
    )


class DeadLetterDraft(msgspec.Struct, frozen=True):
    """A new dead letter. `text` explains it to a person and has no customer data."""

    cause: str
    text: str
    transient: bool = False  # tried again every day


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a drain for one customer. settle.lua reads these fields.

    None leaves a stored value as it is, b"" removes it.
    """

    op: Literal["complete", "plan", "delay", "requeue", "dead_letter", "delete"]
    mark: Mark
    echo_digests: str | None = None  # joined by a space
    snapshot: bytes | None = None
    owned: bytes | None = None
    intents: bytes | None = None
    holds: bytes | None = None
    reverts: bytes | None = None
    next_change_day: int | None = None  # the ordinal day on which the tags may change without an event
    plan: bytes | None = None
    pending_restores: bytes | None = None  # still to be restored
    settled_restores: bytes | None = None  # the restores that are settled; newer ones stay
    due_ms: int | None = None
    recheck_ms: int | None = None  # read the customer once more then
    mark_fields: dict[str, str] | None = None
    ledger_entries: list[bytes] | None = None
    drift: list[str] | None = None  # `+VIP`, `-VIP`: manual changes of the tags
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    is_answered: bool = False  # a write was answered: its results are saved even if the mark has changed
    dead_letter: DeadLetterDraft | None = None
    shadow_digest: str | None = None  # of a decision that is not written; only in shadow mode
    shadow_entries: list[bytes] | None = (
        None  # of the ledger; logged unless the decision is the last logged one
    )
    # only for the drain:
    note: str = ""  # for the log
    is_sent: bool = False  # a write was sent


_DRAIN_ONLY: Final = ("mark", "note", "is_sent")


def encode_settlements(settlements: Sequence[Settlement]) -> bytes:
    """The settlements for settle.lua. Redis' cmsgpack has no binary type, so bytes are packed as strings."""
    packed: bytes = msgpack.packb([_to_dict(settlement) for settlement in settlements], use_bin_type=False)
    return packed


def _to_dict(settlement: Settlement) -> dict[str, Any]:
    fields = msgspec.structs.asdict(settlement)
    for name in _DRAIN_ONLY:
        del fields[name]
    letter = settlement.dead_letter
    return {name: value for name, value in fields.items() if value is not None} | {
        "customer": str(settlement.mark.customer),
        "generation": settlement.mark.generation,
        "added": len(settlement.added),
        "removed": len(settlement.removed),
        **({"dead_letter": msgspec.structs.asdict(letter)} if letter is not None else {}),
    }


def mark_from_reply(cid: bytes, flat: list[bytes]) -> Mark:
    """A mark from the reply of dequeue.lua."""
    return mark_from_hash(int(cid), dict(zip(flat[::2], flat[1::2], strict=True)))


def mark_from_hash(customer: int, fields: Mapping[bytes, bytes]) -> Mark:
    """A mark from its hash."""

    def number(name: bytes) -> int:
        return int(fields.get(name) or 0)

    return Mark(
        customer=CustomerId(customer),
        generation=number(b"generation"),
        lane="live" if fields.get(b"lane") == b"live" else "bulk",
        enqueued_ms=number(b"enqueued_ms"),
        updated_ms=number(b"updated_ms"),
        attempts=number(b"attempts"),
        missing_since_ms=number(b"missing_since_ms"),
        stale_reads=number(b"stale_reads"),
        reasons=fields.get(b"reasons", b"").decode(),
        last_delivery=fields.get(b"last_delivery", b"").decode(),
        failed_drains=number(b"failed_drains"),
    )
