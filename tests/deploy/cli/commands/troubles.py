"""Every kind of trouble that `tagger doctor` must find, each made in the store, in the settings, or at Haravan."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from service.domain.customers import OrgId
from service.domain.customers.customer import Customer, MissingField, MissingReason, encode_snapshot
from service.settings import read_settings
from service.store import scheduled, working_copies
from service.store.backup import BackupStatus, status
from service.store.client import RedisClient, keys
from service.store.events import endpoints
from service.store.jobs.shared_metrics import Counters
from service.store.queue.dirty import DirtyEvent, mark_dirty
from service.store.scheduled import Stop
from service.store.shops import (
    DEFAULT_TIMEZONE,
    TOKEN_REJECTED,
    UNINSTALLED,
    FirstLook,
    make_freeze,
    queue_freeze,
    save_first_look,
)
from service.store.working_copies import ApprovalRequest
from tests.deploy.cli.environment import ORG, CliEnvironment
from tests.support.sender import Sender
from tests.support.store import set_config
from tests.support.web_server import app_client

DAY_MS: Final = 24 * 3_600_000
SECRET: Final = "the-apps-secret"
UNKNOWN_ORG: Final = "1000114691"
RULES: Final = """
version: 1
rules:
  - {id: vip, name: Khách VIP, tag: VIP, when: {field: total_spent, op: at_least, value: 10_000_000}}
  - {id: hcm, name: Ở HCM, tag: HCM, when: {field: province, op: in, value: [PROVINCE]}}
"""


@dataclass(frozen=True)
class Stage:
    """A healthy shop with everything around it."""

    shop: CliEnvironment
    redis: RedisClient
    env: pytest.MonkeyPatch
    folder: Path
    redis_url: str

    async def set_state(self, **fields: object) -> None:
        """Change the state of the shop, as a worker does."""
        redis: Any = self.redis
        await redis.hset(keys.shop(ORG, "state"), mapping=fields)

    async def publish(self, province: str) -> None:
        """Publish rules that compare the province."""
        file = self.folder / "rules.yaml"
        file.write_text(RULES.replace("PROVINCE", province), encoding="utf-8")
        result = await self.shop.tagger("rules", "publish", ORG, str(file), "--approve")
        assert result.code == 0, result.err

    async def send(self, count: int, *, org: str | None = ORG, secret: str = SECRET, **headers: str) -> None:
        """Send webhooks to the web process; when it ends, its counts are stored."""
        async with app_client(read_settings()) as client:
            for number in range(count):
                body = json.dumps({"id": number + 1}).encode()
                await Sender(client).deliver(body, org=org, secret=secret, **headers)

    async def forget_webhooks(self) -> None:
        """As if no webhook had ever been accepted."""
        await self.redis.delete(keys.shop(ORG, "deliveries"))

    async def last_webhook(self, days_ago: int) -> None:
        """As if the last webhook had been accepted then."""
        await self.forget_webhooks()
        at_ms = int(time.time() * 1000) - days_ago * DAY_MS
        await self.redis.xadd(keys.shop(ORG, "deliveries"), {"events": b""}, id=f"{at_ms}-1")

    async def store(self, *customers: Customer) -> None:
        """Store the snapshots of customers."""
        redis: Any = self.redis
        for customer in customers:
            await redis.hset(keys.shop(ORG, "snapshots"), str(customer.id), encode_snapshot(customer))


@dataclass(frozen=True)
class Trouble:
    """What goes wrong, and what the doctor says about it. Only critical findings end with exit code 1."""

    key: str
    severity: str
    make: Callable[[Stage], Awaitable[object]]
    name: str = ""
    org: str | None = ORG  # None: a finding about the service


def config(**options: str) -> Callable[[Stage], Awaitable[object]]:
    """A setting of the Redis server."""

    async def make(stage: Stage) -> None:
        for name, value in options.items():
            await set_config(stage.redis, name.replace("_", "-"), value)

    return make


def environ(**variables: str) -> Callable[[Stage], Awaitable[object]]:
    """A setting of the service."""

    async def make(stage: Stage) -> None:
        for name, value in variables.items():
            stage.env.setenv(name, value)

    return make


def state(**fields: object) -> Callable[[Stage], Awaitable[object]]:
    """The state of the shop."""
    return lambda stage: stage.set_state(**fields)


def command(*words: str) -> Callable[[Stage], Awaitable[object]]:
    """What a person did."""
    return lambda stage: stage.shop.tagger(*words)


def at_haravan(change: Callable[[CliEnvironment], object]) -> Callable[[Stage], Awaitable[object]]:
    """What happened at Haravan."""

    async def make(stage: Stage) -> None:
        change(stage.shop)

    return make


def first_look(state: FirstLook, *, days: int = 0) -> Callable[[Stage], Awaitable[object]]:
    """A shop whose first look is not complete, with rules that were published some days ago."""

    async def make(stage: Stage) -> None:
        await save_first_look(stage.redis, OrgId(ORG), state)
        redis: Any = stage.redis
        stored = json.loads(await redis.hget(keys.shop(ORG, "versions"), "1"))
        stored["at_ms"] -= days * DAY_MS
        await redis.hset(keys.shop(ORG, "versions"), "1", json.dumps(stored))

    return make


async def nearly_full(stage: Stage) -> None:
    for server in await stage.redis.servers():
        await server.config_set("maxmemory", int((await server.info("memory"))["used_memory"]))


async def forget_heartbeats(stage: Stage) -> None:
    for key in keys.of_partitions("counters"):
        await stage.redis.delete(key)


async def old_heartbeat(stage: Stage) -> None:
    await forget_heartbeats(stage)
    await Counters(stage.redis, clock=lambda: time.time() - 600).flush()


async def without_secret(stage: Stage) -> None:
    stage.env.setenv("HARAVAN_WEBHOOK_SECRETS", "")
    await stage.forget_webhooks()


async def sent_without_secret(stage: Stage) -> None:
    stage.env.setenv("HARAVAN_WEBHOOK_SECRETS", "")
    await stage.send(5)


async def waiting_for_long(stage: Stage) -> None:
    redis: Any = stage.redis
    await redis.hset(keys.shop(ORG, "mark:1"), "enqueued_ms", int(time.time() * 1000) - 600_000)


async def over_quota(stage: Stage) -> None:
    await mark_dirty(stage.redis, OrgId(ORG), [DirtyEvent("7", identity=b"a" * 16)], lane="live")
    stage.env.setenv("SHOP_MAX_WAITING", "1")


async def dead_letter(stage: Stage) -> None:
    letter = {"rejected": {"text": "422", "first": 1, "last": 2, "count": 3, "transient": False}}
    await stage.redis.hset(keys.shop(ORG, "dead_letters"), "9", json.dumps(letter))


async def changed_by_hand(stage: Stage) -> None:
    for _ in range(50):
        await stage.redis.xadd(keys.shop(ORG, "drift"), {"customer": "9", "tag": "-VIP"})


async def no_reconcile(stage: Stage) -> None:
    fields = {"day": 1, "looked_ms": int(time.time() * 1000) - 4 * DAY_MS, "subscribed": 1}
    await stage.redis.hset(keys.shop(ORG, "nightly"), mapping=fields)


async def lacking_a_field(stage: Stage) -> None:
    missing = (MissingField("total_spent", MissingReason.ABSENT),)
    await stage.store(Customer(id=1, missing=missing), Customer(id=2))


async def value_of_nobody(stage: Stage) -> None:
    await stage.store(*(Customer(id=n, province="Hồ Chí Minh") for n in range(1, 9)))
    await stage.publish("TP. Hồ Chí Minh")


async def no_document(stage: Stage) -> None:
    await stage.redis.delete(keys.shop(ORG, "documents"))


async def other_timezone(stage: Stage) -> None:
    await stage.redis.hset(keys.shop(ORG, "shop"), "timezone", "Asia/Tokyo")


async def no_rules(stage: Stage) -> None:
    await stage.redis.delete(keys.shop(ORG, "live_version"))


async def freeze_over(stage: Stage) -> None:
    """The last day of a freeze is over, and its end changes more than the guard allows."""
    last = datetime.now(UTC).date() - timedelta(days=2)
    freeze = make_freeze(last, last, timezone=DEFAULT_TIMEZONE, by="Mai")
    async with stage.redis.pipeline() as pipe:
        queue_freeze(pipe, OrgId(ORG), msgspec.structs.replace(freeze, waiting_ms=freeze.until_ms))
        await pipe.execute()


async def approval_requested(stage: Stage) -> None:
    """A marketer waits for an approval of a large publish."""
    request = ApprovalRequest("content", by="Lan", at_ms=time.time_ns() // 1_000_000, note="Tết")
    await working_copies.save_request(stage.redis, OrgId(ORG), request)


async def schedule_stopped(stage: Stage) -> None:
    """Another version went live before a scheduled publish was due."""
    file = str(stage.folder / "rules.yaml")
    at = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d %H:%M}"
    result = await stage.shop.tagger("rules", "schedule", ORG, file, "--at", at, "--approve")
    assert result.code == 0, result.err
    entry = await scheduled.load(stage.redis, OrgId(ORG))
    assert entry is not None
    async with stage.redis.pipeline() as pipe:
        stop = Stop("conflict", at_ms=entry.scheduled_ms, live=2)
        scheduled.queue_save(pipe, OrgId(ORG), msgspec.structs.replace(entry, stop=stop))
        await pipe.execute()


def backup_was(*, days_ago: int, every_h: int) -> Callable[[Stage], Awaitable[object]]:
    """The last backup, and how often one is due; 0: there is no schedule."""

    async def make(stage: Stage) -> None:
        await stage.redis.delete(status.KEY)
        at_ms = int(time.time() * 1000) - days_ago * DAY_MS
        await status.save(stage.redis, BackupStatus(at_ms, every_h=every_h))

    return make


async def endpoint_gone(stage: Stage) -> None:
    """The receiver of an endpoint answered 410."""
    result = await stage.shop.tagger("events", "add", ORG, "https://example.com/hook")
    assert result.code == 0, result.err
    await endpoints.change(
        stage.redis,
        OrgId(ORG),
        "E1",
        lambda endpoint, state: (msgspec.structs.replace(endpoint, disabled="gone"), state),
    )


def layout(number: int) -> Callable[[Stage], Awaitable[object]]:
    """The layout of the data in Redis."""

    async def make(stage: Stage) -> None:
        await stage.redis.hset(keys.STORE, "layout", str(number))

    return make


async def new_secret_key(stage: Stage) -> None:
    stage.env.setenv("SECRET_KEY", "fedcba9876543210" * 2 + "," + "0123456789abcdef" * 2)


def of_store(**fields: str) -> Callable[[Stage], Awaitable[object]]:
    """The marks of a move to another store."""
    return lambda stage: stage.redis.hset(keys.STORE, mapping=fields)


LATER: Final = 9_999_999_999_999
TROUBLES: Final = (
    Trouble("alerts_missing", "warning", environ(ALERT_URLS=""), org=None),
    Trouble("settings_slip", "warning", environ(HARAVAN_WEBHOOK_SECRETS=f'"{SECRET}"'), org=None),
    Trouble("backup_late", "warning", backup_was(days_ago=2, every_h=24), org=None),
    Trouble("backup_missing", "warning", lambda stage: stage.redis.delete(status.KEY), org=None),
    Trouble("backup_old", "warning", backup_was(days_ago=8, every_h=0), org=None),
    Trouble("store_evicts", "critical", config(maxmemory="1gb", maxmemory_policy="allkeys-lru"), org=None),
    Trouble("store_moved", "critical", of_store(moved_to="sealed by another key"), org=None),
    Trouble("store_arriving", "critical", of_store(arriving="a token"), org=None),
    Trouble("store_layout_newer", "critical", layout(keys.LAYOUT + 1), org=None),
    Trouble("store_layout_older", "critical", layout(keys.LAYOUT - 1), org=None),
    Trouble("store_nearly_full", "critical", nearly_full, org=None),
    Trouble("store_no_append_only_file", "warning", config(appendonly="no"), org=None),
    Trouble("store_not_durable", "critical", environ(DURABILITY="fsync"), org=None),
    Trouble("workers_missing", "critical", forget_heartbeats, org=None),
    Trouble("workers_stopped", "critical", old_heartbeat, org=None),
    Trouble("webhooks_unknown_shop", "critical", lambda stage: stage.send(5, org=UNKNOWN_ORG), org=None),
    Trouble(
        "webhooks_unattributed",
        "warning",
        lambda stage: stage.send(5, org=UNKNOWN_ORG, secret="another"),
        org=None,
    ),
    Trouble("webhooks_refused", "critical", lambda stage: stage.send(6, secret="another"), "another secret"),
    Trouble("webhooks_refused", "warning", lambda stage: stage.send(1, secret="another"), "a single one"),
    Trouble("webhooks_compressed", "critical", lambda stage: stage.send(5, content_encoding="gzip")),
    Trouble("webhooks_without_secret", "critical", sent_without_secret),
    Trouble("secret_missing", "critical", without_secret),
    Trouble("webhooks_never", "warning", Stage.forget_webhooks),
    Trouble("webhooks_silent", "warning", lambda stage: stage.last_webhook(3), "three days"),
    Trouble("webhooks_silent", "critical", lambda stage: stage.last_webhook(8), "eight days"),
    Trouble("shop_paused", "critical", command("shops", "pause", ORG, "--reason", "test")),
    Trouble("shop_paused_token", "critical", state(paused=TOKEN_REJECTED, paused_by="worker")),
    Trouble("shop_uninstalled", "critical", state(paused=UNINSTALLED, paused_by="worker")),
    Trouble("removals_paused", "critical", state(removals_paused="removal_guard")),
    Trouble("shadow_mode", "warning", command("shops", "shadow", ORG)),
    Trouble("first_look_pending", "warning", first_look("pending"), "set up today"),
    Trouble("first_look_pending", "critical", first_look("pending", days=2), "forgotten"),
    Trouble("first_look_waiting", "critical", first_look("waiting")),
    Trouble("freeze_waiting", "critical", freeze_over),
    Trouble("scheduled_publish_stopped", "critical", schedule_stopped),
    Trouble("approval_requested", "warning", approval_requested),
    Trouble("rules_missing", "critical", no_rules),
    Trouble("rules_unreadable", "critical", no_document),
    Trouble("rules_of_other_shop", "critical", other_timezone),
    Trouble("fields_missing", "warning", lacking_a_field),
    Trouble("values_unknown", "warning", value_of_nobody),
    Trouble("queue_late", "critical", waiting_for_long),
    Trouble("shop_over_quota", "critical", over_quota),
    Trouble("breaker_read", "critical", state(read_open_until=LATER)),
    Trouble("breaker_write", "critical", state(write_open_until=LATER)),
    Trouble("dead_letters_open", "critical", dead_letter),
    Trouble("endpoint_disabled", "warning", endpoint_gone),
    Trouble("manual_changes", "warning", changed_by_hand),
    Trouble("reconcile_late", "warning", no_reconcile),
    Trouble("keys_old", "warning", new_secret_key),
    Trouble("keys_unreadable", "critical", environ(SECRET_KEY="fedcba9876543210" * 2)),
    Trouble(
        "token_rejected", "critical", at_haravan(lambda shop: shop.haravan.replace_token("another-token"))
    ),
    Trouble(
        "scope_missing",
        "critical",
        at_haravan(lambda shop: shop.haravan.faults.fail(403, rate=1, endpoint="GET count")),
    ),
    Trouble(
        "haravan_unavailable",
        "critical",
        at_haravan(lambda shop: shop.haravan.faults.fail(422, rate=1, endpoint="GET count")),
    ),
    Trouble("subscription_missing", "critical", at_haravan(lambda shop: shop.haravan.unsubscribe())),
    Trouble(
        "subscription_unknown",
        "warning",
        at_haravan(lambda shop: shop.haravan.faults.fail(403, rate=1, endpoint="GET subscribe")),
    ),
    Trouble(
        "topic_missing",
        "critical",
        at_haravan(lambda shop: shop.haravan.app(topics=["customers/create"])),
    ),
)
