"""The scheduled publish of a shop: rules with the time at which they go live. A shop has one at most.

Its pending job is stored in the same transaction. After a stop it has no job, and waits for a person.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from service.domain.access import Actor
from service.domain.customers import OrgId
from service.sentence import Sentence, Words
from service.store.client import RedisClient, keys
from service.store.jobs import PendingJob, pending

SCHEDULED_KEY: Final = "scheduled_publish"
StopReason = Literal["conflict", "guard", "refused"]
"""`conflict`: another version went live. `guard`: it changes too much. `refused`: the shop does not accept these rules."""


class Stop(msgspec.Struct, frozen=True):
    """Why a publish did not go live when it was due. `live` is the live version of that moment."""

    reason: StopReason
    at_ms: int
    live: int
    touched: int = 0  # customers
    removed: int = 0  # tags
    text: str = ""  # of `refused`, in English
    template: str = ""  # of the `Sentence` that the text is
    params: dict[str, str] = {}  # msgspec copies an empty default

    def text_in(self, words: Words) -> str:
        """The text in the reader's language."""
        return Sentence(self.template, **self.params).text(words) if self.template else self.text


class ScheduledPublish(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that go live at `at_ms`. `preview` has the numbers that the author saw.

    `is_approved`: somebody who may approved these numbers, although they exceed the guard.
    """

    document: str  # canonical JSON
    content: str  # its content id
    at_ms: int
    parent: int  # the live version when it was scheduled
    by: Actor
    note: str
    scheduled_ms: int
    preview: dict[str, Any]
    is_approved: bool = False
    stop: Stop | None = None


async def load(redis: RedisClient, org: OrgId) -> ScheduledPublish | None:
    """The scheduled publish of a shop, also one that was stopped."""
    return decode(await redis.get(keys.shop(org, SCHEDULED_KEY)))


def decode(stored: bytes | None) -> ScheduledPublish | None:
    """The scheduled publish as it is stored."""
    return None if stored is None else _DECODER.decode(stored)


def encode(entry: ScheduledPublish | None) -> bytes | None:
    """The stored form. Equal values have equal bytes, so a transaction can require that nothing has changed."""
    return None if entry is None else _ENCODER.encode(entry)


def queue_save(pipe: Any, org: OrgId, entry: ScheduledPublish) -> None:
    """Add the commands to a transaction that store it, and its job unless it was stopped."""
    pipe.set(keys.shop(org, SCHEDULED_KEY), _ENCODER.encode(entry))
    if entry.stop is None:
        pending.queue_save(pipe, _job(org, entry.at_ms))
    else:
        pending.queue_delete(pipe, _job(org, 0))


def queue_delete(pipe: Any, org: OrgId) -> None:
    """Add the commands to a transaction that delete it and its job."""
    pipe.delete(keys.shop(org, SCHEDULED_KEY))
    pending.queue_delete(pipe, _job(org, 0))


def _job(org: OrgId, due_ms: int) -> PendingJob:
    return PendingJob(org, "scheduled_publish", "D1", {}, due_ms)


_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_DECODER: Final = msgspec.json.Decoder(ScheduledPublish)
