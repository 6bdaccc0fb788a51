"""A freeze of a shop: between two days no tag is written. Customers are read and decided on as in shadow mode.

It begins by itself: the scripts `permit` and `settle` compare the stored time with theirs. It ends when it is deleted,
which a pending job or a person does, see `service/publishing/freeze.py`.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from service.domain.customers import OrgId
from service.store.client import keys

FREEZE_KEY: Final = "freeze"
FreezeState = Literal["planned", "active", "waiting"]
"""`planned`: its first day is ahead. `waiting`: its last day is over, and its changes wait for an approval."""


class Freeze(msgspec.Struct, frozen=True):
    """The freeze of a shop. The days are ordinals in the shop's zone, and both are frozen."""

    first_day: int
    last_day: int
    from_ms: int  # the first moment of `first_day`; _freeze.lua reads it
    until_ms: int  # the first moment after `last_day`
    by: str
    waiting_ms: int = 0  # since when it waits for an approval

    @property
    def first(self) -> date:
        """The first frozen day."""
        return date.fromordinal(self.first_day)

    @property
    def last(self) -> date:
        """The last frozen day."""
        return date.fromordinal(self.last_day)

    def state(self, now_ms: int) -> FreezeState:
        """The state at a moment."""
        if self.waiting_ms:
            return "waiting"
        return "active" if self.from_ms <= now_ms else "planned"


def make_freeze(first: date, last: date, *, timezone: str, by: str) -> Freeze:
    """A freeze of these days in a time zone."""
    return Freeze(
        first.toordinal(),
        last.toordinal(),
        _start_ms(first.toordinal(), timezone),
        _start_ms(last.toordinal() + 1, timezone),
        by,
    )


def decode_freeze(stored: bytes | None) -> Freeze | None:
    """The freeze as it is stored."""
    return None if stored is None else _DECODER.decode(stored)


def encode_freeze(freeze: Freeze | None) -> bytes | None:
    """The stored form. Equal freezes have equal bytes, so a transaction can require that nothing has changed."""
    return None if freeze is None else _ENCODER.encode(freeze)


def queue_freeze(pipe: Any, org: OrgId, freeze: Freeze | None) -> None:
    """Add the commands to a transaction that store the freeze, or delete it for None."""
    if freeze is None:
        pipe.delete(keys.shop(org, FREEZE_KEY))
    else:
        pipe.set(keys.shop(org, FREEZE_KEY), _ENCODER.encode(freeze))


def _start_ms(day: int, timezone: str) -> int:
    """The first moment of a day. A midnight that the clock skips counts as the moment after the gap."""
    start = datetime.combine(date.fromordinal(day), datetime.min.time(), ZoneInfo(timezone))
    return int(start.timestamp()) * 1000


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Freeze)
