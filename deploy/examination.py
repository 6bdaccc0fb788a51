"""What the doctor looks at: the store, the workers, and each shop from both ends."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from deploy.cli.access import Access
from deploy.cli.api import calling
from service.domain.customers import OrgId
from service.errors import HaravanError, NotFound, TaggerError, Unreadable
from service.store import durability, keys, queue
from service.store.counters import last_beat_ms
from service.store.shop import Shop
from workers.haravan.client import open_session
from workers.haravan.subscription import Subscription

WORKER_SEEN_S: Final = 60
WAITS_LONG_S: Final = 300


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. A problem needs somebody; a note is good to know."""

    level: Literal["good", "note", "problem"]
    about: str
    text: str


async def examine_store(access: Access) -> list[Finding]:
    """The store's settings, and whether workers live."""
    info: dict[str, Any] = await access.redis.info()
    name = (
        f"Valkey {info['valkey_version']}"
        if "valkey_version" in info
        else f"Redis {info.get('redis_version')}"
    )
    found = [Finding("good", "store", f"{name} answers, {info.get('used_memory_human', '?')} in use")]
    found += [
        Finding("problem" if each.level == "refused" else "note", "store", each.text)
        for each in await durability.examine(access.redis, access.settings.durability)
    ]
    beat = await last_beat_ms(access.redis)
    if beat is None:
        found.append(Finding("problem", "workers", "no worker was ever seen: start one with tagger worker"))
    elif (age_s := time.time() - beat / 1000) > WORKER_SEEN_S:
        found.append(
            Finding("problem", "workers", f"the last worker was seen {age_s:.0f} s ago: nothing is drained")
        )
    else:
        found.append(Finding("good", "workers", "alive"))
    if not access.settings.webhook_secrets:
        found.append(
            Finding(
                "note",
                "webhooks",
                "HARAVAN_WEBHOOK_SECRETS is empty: only shops with a secret of their own can deliver",
            )
        )
    return found


async def examine_shop(access: Access, org: OrgId) -> list[Finding]:
    """One shop: its settings, its token at Haravan, its webhooks, its rules, what waits. Raises NotFound."""
    try:
        shop = await access.shops.require(org)
    except Unreadable as exc:
        return [Finding("problem", org, str(exc))]
    looks: tuple[Callable[[Access, Shop], Awaitable[Finding]], ...] = (
        _pause,
        _token,
        _webhooks,
        _rules,
        _backlog,
        _letters,
    )
    return [await _look(look, access, shop) for look in looks]


async def _look(look: Callable[[Access, Shop], Awaitable[Finding]], access: Access, shop: Shop) -> Finding:
    try:
        return await look(access, shop)
    except NotFound:
        raise
    except HaravanError as exc:
        return Finding("problem", shop.org, f"Haravan: {exc}")
    except TaggerError as exc:
        return Finding("problem", shop.org, str(exc))


async def _pause(_: Access, shop: Shop) -> Finding:
    if shop.paused:
        return Finding(
            "problem",
            shop.org,
            f"paused by {shop.paused_by}: {shop.paused}. Go on: tagger shops resume {shop.org}",
        )
    if shop.removals_paused:
        text = (
            f"removals are paused: {shop.removals_paused}. Go on: tagger shops resume {shop.org} --removals"
        )
        return Finding("problem", shop.org, text)
    if shop.shadow:
        return Finding("note", shop.org, f"{shop.name}: shadow mode, nothing is written")
    return Finding(
        "good", shop.org, f"{shop.name}: works, {shop.dialect} API, {shop.timezone}, {shop.currency}"
    )


async def _token(access: Access, shop: Shop) -> Finding:
    async with calling(access, shop) as api:
        told = await api.perform(api.dialect.shop())
        found = str((told or {}).get("id") or "")
        if found and found != shop.org:
            text = f"the token opens shop {found}, not this one. Replace it: tagger shops token {shop.org}"
            return Finding("problem", shop.org, text)
        count = await api.perform(api.dialect.count())
    return Finding("good", shop.org, f"the token opens it: {count} customers")


async def _webhooks(access: Access, shop: Shop) -> Finding:
    async with open_session() as session:
        events = await Subscription(
            session, address=access.settings.subscribe_url, token=shop.token
        ).list_events()
    if not events:
        text = f"subscribed to nothing: no webhook comes. Subscribe: tagger subscription add {shop.org}"
        return Finding("problem", shop.org, text)
    topics = ", ".join(sorted(event.event for event in events))
    if "customers/update" not in topics:
        return Finding(
            "problem",
            shop.org,
            f"customers/update is not among the topics ({topics}): see the partner dashboard",
        )
    return Finding("good", shop.org, f"webhooks: {topics} to {events[0].url}")


async def _rules(access: Access, shop: Shop) -> Finding:
    live = await access.versions.live(shop.org)
    if live is None:
        return Finding("problem", shop.org, f"no rules yet: tagger rules publish {shop.org} FILE")
    rule_set = await access.versions.document(shop.org, live.number)
    if rule_set.timezone != shop.timezone or rule_set.currency != shop.currency:
        text = (
            f"the rules count in {rule_set.timezone} and {rule_set.currency}, "
            f"the shop in {shop.timezone} and {shop.currency}"
        )
        return Finding("problem", shop.org, text)
    return Finding("good", shop.org, f"rules: version {live.number} by {live.author}")


async def _backlog(access: Access, shop: Shop) -> Finding:
    [backlog] = await queue.load_backlogs(access.redis, [shop.org])
    waiting = _waiting(sum(backlog.customers.values()))
    if backlog.oldest_s > WAITS_LONG_S:
        text = f"{waiting}, the oldest for {backlog.oldest_s:.0f} s: are there workers, and is the API bucket shared?"
        return Finding("problem", shop.org, text)
    return Finding("good", shop.org, waiting)


async def _letters(access: Access, shop: Shop) -> Finding:
    client: Any = access.redis
    count = int(await client.hlen(keys.shop(shop.org, "dead_letters")))
    if count:
        letters = "1 open dead letter" if count == 1 else f"{count} open dead letters"
        return Finding("problem", shop.org, f"{letters}: tagger dead-letters list {shop.org}")
    return Finding("good", shop.org, "no open dead letter")


def _waiting(count: int) -> str:
    if count < 2:
        return "1 customer waits" if count else "no customer waits"
    return f"{count} customers wait"
