"""What a turn takes and gives back: a marked customer as it stands, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgpack
import msgspec

from service.domain.customers import CustomerId
from service.store.marks import Lane

Outcome = Literal["done", "lost", "version", "moved", "day", "shadow"]


class Mark(NamedTuple):
    """A marked customer as it was taken."""

    customer: CustomerId
    n: int
    lane: Lane
    first_ms: int
    updated_ms: int  # the newest `updated_at` of the bodies that marked it; 0 = none said
    tries: int
    gone_ms: int  # when a 404 was first seen; 0 = never
    lag: int  # how often the record was found older than its webhook
    cause: str  # comma-joined: `delivery`, `replay:R1`, …
    delivery: str  # the id of the last one that marked it; "" = none did


class Planned(NamedTuple):
    """A customer whose plan waits to be carried out."""

    mark: Mark
    plan: bytes


class Letter(msgspec.Struct, frozen=True):
    """A dead letter: what a person has to look at. `text` never carries a customer's data."""

    cause: str
    text: str
    transient: bool = False  # tried again daily by itself


class Item(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What becomes of one customer; the field names are those of settle.lua. None leaves a thing as it is."""

    op: Literal["clear", "plan", "later", "ready", "dead", "purge"]
    cid: str
    n: int
    read: str | None = None  # digests, joined by a space
    snap: bytes | None = None
    owned: bytes | None = None  # b"" = nothing
    intents: bytes | None = None
    held: bytes | None = None
    strikes: bytes | None = None
    day: int | None = None  # the ordinal day on which the tags may change by themselves
    plan: bytes | None = None
    restores: bytes | None = None  # still to be put back
    restored: bytes | None = None  # what was to be put back and is settled; newer orders stay
    due: int | None = None  # ms
    again: int | None = None  # ms: look once more then
    fields: dict[str, str] | None = None
    entries: list[bytes] | None = None  # of the ledger
    drift: list[str] | None = None  # `+VIP`, `-VIP`: what others did to the tags
    added: int = 0
    removed: int = 0
    answered: bool = False  # a write was made and answered: what it made ours is kept even if the mark moved
    letter: Letter | None = None
    shadow: str | None = None  # digest of what is decided and not written: that holds in shadow mode only
    shown: list[bytes] | None = None  # its entries of the ledger, where it is another than the last one


def packed(items: Sequence[Item]) -> bytes:
    """The items as Lua's old msgpack reads them: it knows texts only, and takes any bytes for one."""
    plain = [
        {name: value for name, value in msgspec.structs.asdict(item).items() if value is not None}
        | ({"letter": msgspec.structs.asdict(item.letter)} if item.letter is not None else {})
        for item in items
    ]
    packed: bytes = msgpack.packb(plain, use_bin_type=False)
    return packed


def mark_of(cid: bytes, flat: list[bytes]) -> Mark:
    """A mark as take.lua gives it."""
    return from_fields(int(cid), dict(zip(flat[::2], flat[1::2], strict=True)))


def from_fields(customer: int, fields: Mapping[bytes, bytes]) -> Mark:
    """A mark from its hash."""

    def number(name: bytes) -> int:
        return int(fields.get(name) or 0)

    return Mark(
        customer=CustomerId(customer),
        n=number(b"n"),
        lane="live" if fields.get(b"lane") == b"live" else "bulk",
        first_ms=number(b"first"),
        updated_ms=number(b"upd"),
        tries=number(b"tries"),
        gone_ms=number(b"gone"),
        lag=number(b"lag"),
        cause=fields.get(b"cause", b"").decode(),
        delivery=fields.get(b"delivery", b"").decode(),
    )
