"""Day counts: one small record a day for each shop, from which pages draw what happened over weeks.

The settlement of a drain counts the tags of its ledger entries (queue/lua/settle.lua). The sweep samples the API calls and
the backlog. The walk over all customers, which is nightly, counts those who have a tag. A day is one of the shop's rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from service.domain.customers import OrgId
from service.store.client import RedisClient, keys, load_script

RETENTION_S: Final = keys.LEDGER_DAYS * keys.DAY_S
WEEK_DAYS: Final = 7


class TagOfRule(NamedTuple):
    """A tag with the id of the rule or tier that changed it."""

    rule: str
    tag: str


class TagChanges(NamedTuple):
    """How often a tag was added and removed."""

    added: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class DayCounts:
    """The record of one day, or of a week that ends with it. `customers` is None without a walk over all customers."""

    day: int  # ordinal
    changes: Mapping[TagOfRule, TagChanges] = field(default_factory=dict)
    live_calls: int = 0
    bulk_calls: int = 0
    backlog: int = 0  # the most customers that waited for a drain at one moment
    oldest_s: int = 0  # the longest time that a webhook's customer had waited
    customers: int | None = None
    tagged: Mapping[str, int] = field(default_factory=dict)  # tag -> customers that had it
    days: int = 1  # 7: a week

    @property
    def added(self) -> int:
        """All tags added on this day."""
        return sum(change.added for change in self.changes.values())

    @property
    def removed(self) -> int:
        """All tags removed on this day."""
        return sum(change.removed for change in self.changes.values())


async def load_days(redis: RedisClient, org: OrgId, *, last: int, days: int) -> tuple[DayCounts, ...]:
    """The records of the `days` days until the ordinal `last`, oldest first. A day without a record is empty."""
    wanted = range(last - days + 1, last + 1)
    async with redis.pipeline(transaction=False) as pipe:
        for day in wanted:
            pipe.hgetall(_key(org, day))
        replies = await pipe.execute()
    return tuple(_decode(day, reply) for day, reply in zip(wanted, replies, strict=True))


async def load_tag_changes(
    redis: RedisClient, org: OrgId, *, today: int, days: int = WEEK_DAYS
) -> dict[TagOfRule, TagChanges]:
    """The tags added and removed in the `days` days until `today`, by tag and rule. One round trip."""
    return sum_changes(await load_days(redis, org, last=today, days=days))


def sum_changes(days: Sequence[DayCounts]) -> dict[TagOfRule, TagChanges]:
    """The changes of several days together."""
    added, removed = Counter[TagOfRule](), Counter[TagOfRule]()
    for day in days:
        for tag, change in day.changes.items():
            added[tag] += change.added
            removed[tag] += change.removed
    return {tag: TagChanges(added[tag], removed[tag]) for tag in added}


def by_week(days: Sequence[DayCounts]) -> tuple[DayCounts, ...]:
    """The same in weeks: sums, the worst backlog, and the latest walk. The last week ends with the last day."""
    first = len(days) % WEEK_DAYS
    weeks = [days[start : start + WEEK_DAYS] for start in range(first, len(days), WEEK_DAYS)]
    return tuple(map(_sum_week, [days[:first], *weeks] if first else weeks))


def _sum_week(week: Sequence[DayCounts]) -> DayCounts:
    walked = [day for day in week if day.customers is not None]
    return DayCounts(
        day=week[-1].day,
        changes=sum_changes(week),
        live_calls=sum(day.live_calls for day in week),
        bulk_calls=sum(day.bulk_calls for day in week),
        backlog=max(day.backlog for day in week),
        oldest_s=max(day.oldest_s for day in week),
        customers=walked[-1].customers if walked else None,
        tagged=walked[-1].tagged if walked else {},
        days=WEEK_DAYS,
    )


async def save_customers(
    redis: RedisClient, org: OrgId, *, day: int, customers: int, tagged: Mapping[str, int]
) -> None:
    """Save how many customers a walk over all of them has read, and how many had each tag."""
    counts = {"customers": customers} | {f"has|{tag}": count for tag, count in tagged.items()}
    await _save(redis, org, day, counts)


async def save_day(redis: RedisClient, org: OrgId, counts: DayCounts) -> None:
    """Save the whole record of a day: for days that the service did not see, such as those of a demo."""
    fields: dict[str, int] = {
        "calls:live": counts.live_calls,
        "calls:bulk": counts.bulk_calls,
        "backlog": counts.backlog,
        "oldest_s": counts.oldest_s,
    }
    for name, change in counts.changes.items():
        fields[f"+{name.rule}|{name.tag}"] = change.added
        fields[f"-{name.rule}|{name.tag}"] = change.removed
    await _save(redis, org, counts.day, {name: value for name, value in fields.items() if value})
    if counts.customers is not None:
        await save_customers(redis, org, day=counts.day, customers=counts.customers, tagged=counts.tagged)


async def sample(redis: RedisClient, org: OrgId, *, day: int, now_ms: int = 0) -> None:
    """Sample the backlog and the API calls into the record of `day`. Call it every minute or so, in any worker."""
    await load_script("history", "sample_day")(redis, org, now_ms, day, RETENTION_S)


async def _save(redis: RedisClient, org: OrgId, day: int, fields: Mapping[str, int]) -> None:
    if not fields:
        return
    key = _key(org, day)
    async with redis.pipeline() as pipe:
        pipe.hset(key, mapping=dict(fields))
        pipe.expire(key, RETENTION_S)
        await pipe.execute()


def _key(org: OrgId, day: int) -> str:
    return keys.shop(org, f"day_counts:{day}")


def _decode(day: int, stored: Mapping[bytes, bytes]) -> DayCounts:
    changes: dict[TagOfRule, TagChanges] = {}
    tagged: dict[str, int] = {}
    numbers: dict[str, Any] = {}
    for field_name, value in stored.items():
        name, count = field_name.decode(), int(value)
        head, _, tag = name.partition("|")
        if head == "has":
            tagged[tag] = count
        elif not tag:
            numbers[name] = count
        else:
            key = TagOfRule(head[1:], tag)
            before = changes.get(key, TagChanges())
            is_added = head[0] == "+"
            changes[key] = before._replace(**{"added" if is_added else "removed": count})
    return DayCounts(
        day=day,
        changes=changes,
        live_calls=numbers.get("calls:live", 0),
        bulk_calls=numbers.get("calls:bulk", 0),
        backlog=numbers.get("backlog", 0),
        oldest_s=numbers.get("oldest_s", 0),
        customers=numbers.get("customers"),
        tagged=tagged,
    )
