"""Webhooks that did not reach a shop, of all processes: refused ones by shop, and signed ones of unknown shops.

For each shop these are the ones since its last accepted webhook, which `tagger doctor` needs to say that none arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from service.domain.customers import OrgId
from service.store.client import SKIP_S, RedisClient, keys, without_away
from service.store.history.deliveries import UNKNOWN_SHOP

KEPT_S: Final = 7 * keys.DAY_S  # since the last one
MAX_UNKNOWN_ORGS: Final = (
    500  # the org header is not signed: anyone who captured one webhook can invent others
)
OTHER: Final = "other"  # the orgs beyond that
FIELDS: Final = ("count", "first_ms", "last_ms")


@dataclass(frozen=True, slots=True)
class Tally:
    """How many there were, with the first and the last moment."""

    count: int
    first_ms: int
    last_ms: int

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            self.count + other.count,
            min(self.first_ms, other.first_ms),
            max(self.last_ms, other.last_ms),
        )


@dataclass(frozen=True, slots=True)
class ShopWebhooks:
    """How the webhooks of one shop fare."""

    org: OrgId
    rejected: Mapping[str, Tally]  # by reason, as in RejectionReason
    accepted_ms: int | None  # the last accepted one; None if no record of one is kept


@dataclass(frozen=True, slots=True)
class WebhookReport:
    """Which webhooks arrive and which do not."""

    shops: tuple[ShopWebhooks, ...]
    unattributed: Mapping[
        str, Tally
    ]  # refused ones that name no shop of ours, by reason: anyone can send those
    unknown_shops: Mapping[str, Tally] = field(
        default_factory=dict
    )  # signed ones, by the org in their header


async def add_rejections(redis: RedisClient, org: OrgId | str, tallies: Mapping[str, Tally]) -> None:
    """Add refused webhooks of a shop by reason. `org` is `-` if they name no shop of ours.

    What was counted before the shop's last accepted webhook is forgotten.
    """
    key = keys.shop(org, "rejections")
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hgetall(key)
        pipe.xrevrange(keys.shop(org, "deliveries"), count=1)
        stored, last = await pipe.execute()
        accepted_ms = _time_of(last) or 0
        if stored and all(tally.last_ms <= accepted_ms for tally in _decode(stored).values()):
            pipe.delete(key)
        _add(pipe, key, tallies)
        await pipe.execute()


async def add_unknown_shops(redis: RedisClient, tallies: Mapping[str, Tally]) -> None:
    """Add signed webhooks of shops that are not configured, by org."""
    key = keys.shop(UNKNOWN_SHOP, "orgs")
    async with redis.pipeline(transaction=False) as pipe:
        known = _decode(await redis.hgetall(key))
        bounded: dict[str, Tally] = {}
        for org, tally in tallies.items():
            has_room = org in known or len({*known, *bounded}) < MAX_UNKNOWN_ORGS
            name = org if has_room else OTHER
            bounded[name] = bounded[name] + tally if name in bounded else tally
        _add(pipe, key, bounded)
        await pipe.execute()


async def load_webhook_report(redis: RedisClient, orgs: Sequence[OrgId]) -> WebhookReport:
    """The webhooks of these shops, and those that belong to no configured shop, in one round trip.

    What a server has that is away is left out. Raises redis' errors if no server answers.
    """
    asked: list[str] = ["-", UNKNOWN_SHOP, *(org for org in orgs for _ in range(2))]
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hgetall(keys.shop("-", "rejections"))
        pipe.hgetall(keys.shop(UNKNOWN_SHOP, "orgs"))
        for org in orgs:
            queue_shop_webhooks(pipe, org)
        replies = await pipe.execute(raise_on_error=False, patience_s=SKIP_S)
    loaded: dict[str, list[Any]] = {}
    for name, reply in without_away(asked, replies):
        loaded.setdefault(name, []).append(reply)
    [unattributed], [unknown] = loaded.pop("-", [{}]), loaded.pop(UNKNOWN_SHOP, [{}])
    configured = set(orgs)
    return WebhookReport(
        shops=tuple(decode_shop_webhooks(org, *loaded[org]) for org in orgs if len(loaded.get(org, ())) == 2),
        unattributed=_decode(unattributed),
        unknown_shops={org: tally for org, tally in _decode(unknown).items() if org not in configured},
    )


def queue_shop_webhooks(pipe: Any, org: OrgId) -> None:
    """Add the two commands to a pipeline whose replies `decode_shop_webhooks` decodes."""
    pipe.hgetall(keys.shop(org, "rejections"))
    pipe.xrevrange(keys.shop(org, "deliveries"), count=1)


def decode_shop_webhooks(org: OrgId, rejected: Mapping[bytes, bytes], last: Sequence[Any]) -> ShopWebhooks:
    """How the webhooks of a shop fare, from the replies to `queue_shop_webhooks`."""
    return ShopWebhooks(org, _decode(rejected), _time_of(last))


async def consecutive_failures(
    redis: RedisClient, org: OrgId, *, batch: str, ages_ms: Sequence[int], limit: int
) -> int:
    """Record rejections of a shop, and count those since its last accepted webhook, up to `limit`.

    `batch` must be unique for each call of each process. The streak expires after a day.
    """
    streak = keys.shop(org, "rejection_streak")
    async with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.xrevrange(keys.shop(org, "deliveries"), count=1)
        (seconds, micros), last = await pipe.execute()
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    async with redis.pipeline() as pipe:
        pipe.zadd(streak, {f"{batch}:{now_ms}:{index}": now_ms - age for index, age in enumerate(ages_ms)})
        accepted_ms = _time_of(last)
        if accepted_ms is not None:
            pipe.zremrangebyscore(streak, "-inf", accepted_ms)
        pipe.zremrangebyrank(streak, 0, -1 - limit)
        pipe.expire(streak, keys.DAY_S)
        pipe.zcard(streak)
        *_, count = await pipe.execute()
    return int(count)


def _time_of(entries: Sequence[tuple[bytes, Any]]) -> int | None:
    """The ms of the newest record. Its id has the time, so accepting a webhook costs nothing extra."""
    return int(entries[0][0].partition(b"-")[0]) if entries else None


def _add(pipe: Any, key: str, tallies: Mapping[str, Tally]) -> None:
    """Add the commands. Two processes may both write the last moment; they differ by some seconds at most."""
    for name, tally in tallies.items():
        pipe.hincrby(key, f"{name}:count", tally.count)
        pipe.hsetnx(key, f"{name}:first_ms", tally.first_ms)
        pipe.hset(key, f"{name}:last_ms", tally.last_ms)
    if tallies:
        pipe.expire(key, KEPT_S)


def _decode(stored: Mapping[bytes, bytes]) -> dict[str, Tally]:
    names = {name.decode().rpartition(":")[0] for name in stored}
    return {
        name: Tally(*(int(stored.get(f"{name}:{field}".encode(), 0)) for field in FIELDS))
        for name in sorted(names)
    }
