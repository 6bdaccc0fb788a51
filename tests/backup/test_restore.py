"""What a backup has, and what a restore does and refuses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from service.backup import KeySource, Secret, plan_restore, restore, verify, write_backup
from service.backup.encryption import decrypt
from service.context import Context
from service.cpu_pool import InProcess
from service.domain.access import Role, shell_user
from service.domain.customers import CustomerId, OrgId
from service.domain.decisions import OWNERSHIP_CODEC, Ownership
from service.domain.documents import parse_rules
from service.errors import MalformedData, NotFound, Refused
from service.operations import add_token, pause_shop, remove_shop
from service.sentence import Sentence
from service.store import scheduled, working_copies
from service.store.access import tokens
from service.store.backup import SERVICE_KEYS, SHOP_KEYS
from service.store.client import SERVICE, RedisClient, keys
from service.store.encryption import KeyRing
from service.store.history import audit_log
from service.store.jobs import pending, runs
from service.store.rules import CompiledRulesCache, Versions
from service.store.shops import Freeze, Shop, ShopRepository, encode_freeze
from service.store.working_copies import WorkingCopy
from tests.support.actors import LAN
from tests.support.shop import KEY, ORG, OTHER_ORG, OWN_SECRET, add_shops
from tests.support.store import all_keys
from workers.periodic import PendingJobs

SECRET: Final = Secret(KeySource.KEY_FILE, b"0123456789abcdef" * 2)
VIP: Final = "version: 1\nrules: [{id: vip, tag: VIP, when: {field: total_spent, op: at_least, value: %d}}]"


@dataclass(slots=True)
class Given:
    """A service with two shops, and a backup of it."""

    context: Context
    file: Path

    async def restore(self, context: Context, shop: OrgId | None = None, **options: bool) -> None:
        plans = await plan_restore(context, verify(self.file, SECRET), shop=shop, **options)
        await restore(context, self.file, SECRET, plans, at="yesterday", by=LAN)

    async def write(self, name: str) -> Path:
        path = self.file.with_name(name)
        with path.open("wb") as file:
            await write_backup(self.context, file, SECRET, program="0.1.0", by=LAN)
        return path


def context_of(redis: RedisClient, *secret_keys: str) -> Context:
    return Context(redis, ShopRepository(redis, KeyRing(secret_keys)), Versions(redis))


FREEZE = Freeze(739_640, 739_654, 1_800_000_000_000, 1_801_000_000_000, "Lan")
SCHEDULED = scheduled.ScheduledPublish(
    document="{}",
    content="c",
    at_ms=1_802_000_000_000,
    parent=2,
    by=shell_user("Lan"),
    note="",
    scheduled_ms=1,
    preview={},
)


async def own(redis: Any, org: OrgId, *customers: int) -> None:
    for customer in customers:
        owned = OWNERSHIP_CODEC.encode({"vip": Ownership("VIP", "vip", 1_700_000_000_000, 1)})
        await redis.hset(keys.shop(org, "owned"), str(customer), owned)


async def dump(redis: Any) -> dict[str, Any]:
    """The value of every key that a backup has."""
    read = {
        "hash": redis.hgetall,
        "string": redis.get,
        "stream": redis.xrange,
        "list": lambda key: redis.lrange(key, 0, -1),
    }
    names = {ORG: SHOP_KEYS, OTHER_ORG: SHOP_KEYS, SERVICE: SERVICE_KEYS}
    return {
        f"{org} {name}": await read[kind](keys.shop(org, name))
        for org, kinds in names.items()
        for name, kind in kinds.items()
    }


@pytest.fixture
async def given(redis: RedisClient, tmp_path: Path) -> Given:
    await add_shops(redis)
    context = context_of(redis, KEY)
    await context.versions.publish(ORG, parse_rules(VIP % 1), author="Lan", note="first", parent=0)
    await context.versions.publish(ORG, parse_rules(VIP % 2), author="Lan", parent=1)
    first, second, third = (
        WorkingCopy(document={name: []}, rev=rev, by="Mai", parent=2)
        for rev, name in enumerate(("tags", "rules", "tiers"))
    )
    assert await working_copies.save(redis, ORG, second, before=first)
    assert await working_copies.save(redis, ORG, third, before=second)
    await working_copies.undo(redis, ORG, by="Mai", at_ms=1)
    await own(redis, ORG, *range(1, 1201))
    client: Any = redis
    await client.set(keys.shop(ORG, "freeze"), encode_freeze(FREEZE))
    await client.set(keys.shop(ORG, "scheduled_publish"), scheduled.encode(SCHEDULED))
    await client.hset(keys.shop(ORG, "holds"), "7", b"\x80")
    await client.hset(keys.shop(ORG, "exclusions"), "9999", "vip")  # a customer that has nothing else
    await client.hset(keys.shop(ORG, "snapshots"), "1", b"a snapshot")
    await client.xadd(keys.shop(ORG, "ledger"), {"customer": "1", "entry": b"\x90"})
    await pause_shop(context, ORG, reason="Chị Hoa báo lỗi", by=LAN)
    await add_token(context, "bao-cao", Role.VIEWER, shops=None, by=LAN)
    given = Given(context, tmp_path / "tagger.backup")
    given.file = await given.write("tagger.backup")
    return given


async def test_everything_that_a_backup_has_is_the_same_after_a_restore_into_an_empty_store(
    given: Given, redis: RedisClient
) -> None:
    before = await dump(redis)
    await redis.flushall()

    await given.restore(given.context)

    after = await dump(redis)
    assert after.pop(f"{SERVICE} audit")[:2] == before.pop(f"{SERVICE} audit")
    for org in (ORG, OTHER_ORG):
        shops = before.pop(f"{org} shop"), after.pop(f"{org} shop")
        assert shops[0].pop(b"data_id") != shops[1].pop(b"data_id")
        assert shops[0] == shops[1]
    assert after == before
    assert not await redis.exists(keys.shop(ORG, "snapshots"))
    shop = await given.context.shops.get_or_raise(ORG)
    assert (shop.secret, shop.paused, shop.paused_by) == (OWN_SECRET, "Chị Hoa báo lỗi", "Lan")
    assert len(await tokens.list_all(redis)) == 1


async def test_the_audit_logs_verify_after_a_restore_and_name_it(given: Given, redis: RedisClient) -> None:
    noted = {org: (await audit_log.verify(redis, org)).last_hash for org in (SERVICE, ORG)}
    await redis.flushall()

    await given.restore(given.context)

    for org, last_hash in noted.items():
        assert (await audit_log.verify(redis, org, expected_hash=last_hash)).problem is None
    restored = [row.entry.summary for row in await audit_log.list_entries(redis, limit=3)]
    assert restored == [
        f"shop {OTHER_ORG}, from the backup of yesterday",
        f"shop {ORG}, from the backup of yesterday",
        "users, tokens and audit log of the service, from the backup of yesterday",
    ]


async def test_a_log_that_retention_has_shortened_verifies_after_a_restore(
    given: Given, redis: RedisClient
) -> None:
    for number in range(3):
        await audit_log.record(
            redis, LAN, "exclude", org=ORG, summary=Sentence("customer {customer}", customer=number)
        )
    newest = (await audit_log.list_entries(redis, ORG))[0].entry.at_ms
    await audit_log.trim(redis, ORG, oldest_ms=newest)
    file = await given.write("second.backup")
    before = await audit_log.verify(redis, ORG)
    await redis.flushall()

    given.file = file
    await given.restore(given.context)

    assert before.trimmed > 0
    assert await audit_log.verify(redis, ORG) == before


async def test_a_shop_comes_back_into_a_running_service_and_nothing_else_changes(
    given: Given, redis: RedisClient
) -> None:
    await remove_shop(given.context, ORG, erase=True, by=LAN)
    await tokens.remove(redis, "bao-cao")
    await own(redis, OTHER_ORG, 5)

    await given.restore(given.context)

    assert await given.context.shops.orgs() == (ORG, OTHER_ORG)
    assert await given.context.versions.live_number(ORG) == 2
    assert await redis.hlen(keys.shop(ORG, "owned")) == 1200
    assert await redis.hlen(keys.shop(OTHER_ORG, "owned")) == 1
    assert await tokens.list_all(redis) == []  # a token that was revoked stays revoked
    assert not [job for job in await pending.list_jobs(redis, ORG) if job.kind == "erasure"]


async def test_a_shop_that_has_data_is_not_overwritten(given: Given, redis: RedisClient) -> None:
    await own(redis, OTHER_ORG, 5)
    before = await dump(redis)

    with pytest.raises(Refused, match=f"tagger shops remove {ORG}"):
        await given.restore(given.context, ORG)
    await given.restore(given.context)  # everything exists

    assert await dump(redis) == before


async def test_data_that_comes_meanwhile_is_not_overwritten(given: Given, redis: RedisClient) -> None:
    await remove_shop(given.context, ORG, erase=True, by=LAN)
    plans = await plan_restore(given.context, verify(given.file, SECRET), shop=ORG)
    await own(redis, ORG, 5)

    with pytest.raises(Refused, match="got data meanwhile"):
        await restore(given.context, given.file, SECRET, plans, at="yesterday", by=LAN)

    assert await redis.hkeys(keys.shop(ORG, "owned")) == [b"5"]
    assert not await all_keys(redis, "*staged*")


async def test_a_shop_that_the_environment_has_seeded_keeps_its_token_and_gets_the_rest(
    given: Given, redis: RedisClient
) -> None:
    await redis.flushall()
    seeded = Shop(ORG, "Shop", "omni", "https://apis.haravan.com/com", "u" * 20)
    await given.context.shops.apply_environment(seeded)

    await given.restore(given.context, ORG)

    shop = await given.context.shops.get_or_raise(ORG)
    assert (shop.name, shop.token, shop.secret) == ("Một", "u" * 20, OWN_SECRET)
    assert (
        await redis.hlen(keys.shop(ORG, "data_keys")) == 2
    )  # what the other key has sealed can still be read


async def test_rules_of_a_restored_shop_are_compiled_anew(given: Given, redis: RedisClient) -> None:
    cache = CompiledRulesCache(given.context.versions)
    await given.context.versions.publish(ORG, parse_rules(VIP % 3), author="Lan", parent=2)
    shop = await given.context.shops.get_or_raise(ORG)
    undone = await cache.get(shop, 3)
    await remove_shop(given.context, ORG, erase=True, by=LAN)
    await given.restore(given.context, ORG)

    await given.context.versions.publish(ORG, parse_rules(VIP % 4), author="Lan", parent=2)

    again = await cache.get(await given.context.shops.get_or_raise(ORG), 3)
    assert again.rule_set != undone.rule_set


async def test_every_customer_of_the_backup_is_marked_by_a_worker(given: Given, redis: RedisClient) -> None:
    await redis.flushall()
    await given.restore(given.context)

    assert await PendingJobs(given.context, InProcess(given.context)).run() == 2

    [run] = await runs.latest(redis, ORG)
    assert (run.kind, run.total, run.by) == ("replay", 1201, "restore")
    assert CustomerId(9999) in await runs.remaining(redis, ORG, run.id)
    assert {(job.kind, job.due_ms) for job in await pending.list_jobs(redis)} == {
        ("end_of_freeze", FREEZE.until_ms),
        ("scheduled_publish", SCHEDULED.at_ms),
    }


async def test_another_secret_key_is_refused_with_the_remedy(given: Given, redis: RedisClient) -> None:
    await redis.flushall()
    other = context_of(redis, "fedcba9876543210" * 2)

    with pytest.raises(Refused, match="SECRET_KEY=present,other") as refused:
        await given.restore(other)
    assert KeyRing([KEY]).fingerprints[0] in str(refused.value)
    assert await other.shops.orgs() == ()

    both = context_of(redis, "fedcba9876543210" * 2, KEY)
    await given.restore(both)
    assert (await both.shops.get_or_raise(ORG)).secret == OWN_SECRET


async def test_without_the_secret_key_everything_but_the_tokens_comes_back(
    given: Given, redis: RedisClient
) -> None:
    await redis.flushall()
    other = context_of(redis, "fedcba9876543210" * 2)

    await given.restore(other, without_secret_key=True)

    assert await other.versions.live_number(ORG) == 2
    with pytest.raises(MalformedData, match="tagger shops token ORG"):
        await other.shops.get(ORG)
    await other.shops.set_token(ORG, "u" * 20)
    await other.shops.set_secret(ORG, "")
    assert (await other.shops.get_or_raise(ORG)).token == "u" * 20


async def test_an_unknown_shop_and_another_layout_are_refused(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFound, match="does not have shop 42"):
        await given.restore(given.context, OrgId("42"))

    monkeypatch.setattr(keys, "LAYOUT", keys.LAYOUT + 1)
    with pytest.raises(Refused, match="Restore it with that version"):
        await given.restore(given.context)


async def test_a_shop_that_is_removed_while_its_backup_is_made_ends_it(
    given: Given, redis: RedisClient
) -> None:
    await redis.delete(keys.shop(ORG, "shop"))

    with pytest.raises(NotFound):
        await given.write("other.backup")


async def test_a_backup_has_no_token_and_no_record_in_clear(given: Given) -> None:
    with given.file.open("rb") as opened:
        content = b"".join(decrypt(opened, SECRET))

    assert b"VIP" in content
    for secret in (b"t" * 20, OWN_SECRET.encode(), KEY.encode(), b"a snapshot"):
        assert secret not in content
    assert b"VIP" not in given.file.read_bytes()
