"""`tagger backup`, `tagger restore` and `tagger migrate`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from service.domain.customers import OrgId
from service.store.backup import status
from service.store.client import RedisClient, keys
from tests.deploy.cli.environment import ABOVE, ORG, TOKEN, CliEnvironment, store_customers
from tests.support.store import all_keys


@pytest.fixture
def key(tmp_path: Path) -> str:
    path = tmp_path / "backup.key"
    path.write_text("0123456789abcdef" * 4, encoding="ascii")
    return str(path)


async def test_a_backup_is_written_and_a_removed_shop_comes_back(
    shop: CliEnvironment, redis: RedisClient, rules: Path, tmp_path: Path, key: str
) -> None:
    await shop.tagger("rules", "publish", ORG, str(rules), "--approve")
    await store_customers(redis, ABOVE)
    file = tmp_path / "tagger.backup"

    written = await shop.tagger("backup", str(file), "--key-file", key)
    exists = await shop.tagger("restore", str(file), "--shop", ORG, "--key-file", key)
    await shop.tagger("shops", "remove", ORG, "--yes")
    dry = await shop.tagger("restore", str(file), "--key-file", key, "--dry-run", "--json")
    missing = await shop.tagger("rules", "show", ORG)
    restored = await shop.tagger("restore", str(file), "--shop", ORG, "--key-file", key)
    rules_again = await shop.tagger("rules", "show", ORG)

    assert (written.code, str(file) in written.out) == (0, True)
    assert file.stat().st_mode & 0o077 == 0
    assert (exists.code, "overwrites nothing" in exists.err) == (1, True)
    assert [(each["org"], each["action"]) for each in json.loads(dry.out)["sections"]] == [
        ("service", "keep"),
        (ORG, "create"),
    ]
    assert missing.code == 1
    assert (restored.code, "Restored" in restored.out) == (0, True)
    assert rules_again.code == 0
    assert await redis.hexists(keys.shop(OrgId(ORG), "owned"), "1")
    assert TOKEN not in written.out + restored.out


async def test_a_passphrase_is_read_from_a_file_and_never_from_an_argument(
    shop: CliEnvironment, tmp_path: Path, key: str
) -> None:
    passphrase, short = tmp_path / "passphrase", tmp_path / "short"
    passphrase.write_text("correct horse battery staple\n", encoding="utf-8")
    short.write_text("secret\n", encoding="utf-8")
    file = str(tmp_path / "tagger.backup")

    without = await shop.tagger("backup", file)
    weak = await shop.tagger("backup", file, "--passphrase-file", str(short))
    written = await shop.tagger("backup", file, "--passphrase-file", str(passphrase))
    twice = await shop.tagger("backup", file, "--passphrase-file", str(passphrase))
    wrong = await shop.tagger("restore", file, "--dry-run", "--passphrase-file", str(short))
    other = await shop.tagger("restore", file, "--dry-run", "--key-file", key)
    right = await shop.tagger("restore", file, "--dry-run", "--passphrase-file", str(passphrase))

    assert (without.code, "--passphrase-file" in without.err) == (2, True)
    assert (weak.code, "12 characters" in weak.err) == (2, True)
    assert written.code == 0
    assert (twice.code, "exists already" in twice.err) == (1, True)
    assert (wrong.code, "is wrong" in wrong.err) == (1, True)
    assert (other.code, "opened with a passphrase" in other.err) == (1, True)
    assert (right.code, "Nothing was changed" in right.out) == (0, True)


async def test_a_file_that_was_cut_is_refused_before_anything_is_written(
    shop: CliEnvironment, redis: RedisClient, tmp_path: Path, key: str
) -> None:
    file = tmp_path / "tagger.backup"
    await shop.tagger("backup", str(file), "--key-file", key)
    file.write_bytes(file.read_bytes()[:-1])
    await redis.flushall()

    result = await shop.tagger("restore", str(file), "--key-file", key)

    assert result.code == 1
    assert "incomplete" in result.err
    assert await all_keys(redis, "tagger:*") == [keys.STORE.encode()]


async def test_an_interrupted_backup_leaves_no_file_with_its_name(
    shop: CliEnvironment, redis: RedisClient, tmp_path: Path, key: str
) -> None:
    await redis.set(keys.shop(OrgId(ORG), "owned"), "not a hash")

    result = await shop.tagger("backup", str(tmp_path / "tagger.backup"), "--key-file", key)

    assert result.code != 0
    assert [name for name in os.listdir(tmp_path) if "tagger.backup" in name] == []  # noqa: PTH208
    assert await status.load(redis) is None


async def test_a_schedule_is_known_to_the_doctor(
    shop: CliEnvironment, redis: RedisClient, tmp_path: Path, key: str
) -> None:
    before = await shop.tagger("doctor", "--lang", "en")
    await shop.tagger("backup", str(tmp_path / "1.backup"), "--key-file", key, "--every", "24")
    made = await shop.tagger("doctor", "--lang", "en")
    last = await status.load(redis)
    assert last is not None
    await status.save(redis, last._replace(at_ms=last.at_ms - 27 * 3_600_000))
    late = await shop.tagger("doctor", "--lang", "en")
    by_hand = await shop.tagger("backup", str(tmp_path / "2.backup"), "--key-file", key)

    assert "No backup was ever made." in before.out
    assert "✔ The last backup was made at" in made.out
    assert "one is due every 24 hours" in late.out
    assert by_hand.code == 0
    assert (await status.load(redis)).every_h == 24  # type: ignore[union-attr]


async def test_data_of_a_newer_version_is_refused_by_every_command(
    shop: CliEnvironment, redis: RedisClient
) -> None:
    nothing = await shop.tagger("migrate", "--dry-run")
    await redis.hset(keys.STORE, "layout", str(keys.LAYOUT + 1))

    listed = await shop.tagger("shops", "list")
    migrated = await shop.tagger("migrate")

    assert (nothing.code, "Nothing to do" in nothing.out) == (0, True)
    assert (listed.code, "Use the newer version" in listed.err) == (1, True)
    assert (migrated.code, "use the newer version" in migrated.err) == (1, True)
