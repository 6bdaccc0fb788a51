"""`tagger rules` and `tagger explain`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from arq.connections import ArqRedis

from service.domain.customers.customer import Customer, CustomerId, OrgId, encode_snapshot
from service.domain.decisions.state import OWNERSHIP_CODEC, Ownership
from service.domain.sync import REVERTS_CODEC
from service.store.client import keys
from service.store.customers import snapshots
from service.store.jobs import runs
from tests.deploy.cli.test_app import ORG, Place, place, shop

__all__ = ["place", "shop"]  # fixtures

VIP = "version: 1\nrules:\n  - {id: vip, name: Khách VIP, tag: VIP, when: {field: total_spent, op: at_least, value: %d}}\n"

TIERS = "version: 1\ntiers: [{id: hang, name: Hạng, levels: [{tag: Gold, when: {field: total_spent, op: at_least, value: 10_000_000}}]}]\n"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A file with one rule, from 10 million."""
    return written(tmp_path, 10_000_000)


def written(folder: Path, threshold: int) -> Path:
    path = folder / f"rules-{threshold}.yaml"
    path.write_text(VIP % threshold, encoding="utf-8")
    return path


async def known(redis: ArqRedis, *customers: Customer) -> None:
    """Customers as drains have left them."""
    client: Any = redis
    for one in customers:
        await client.hset(keys.shop(ORG, "snapshots"), str(one.id), encode_snapshot(one))
        if "VIP" in one.tags:
            owned = OWNERSHIP_CODEC.encode({"vip": Ownership("VIP", "vip", 1_700_000_000_000, 1)})
            await client.hset(keys.shop(ORG, "owned"), str(one.id), owned)


RICH = Customer(id=1, total_spent=20_000_000_0000, tags=("VIP",))
MIDDLING = Customer(id=2, total_spent=9_660_000_0000)
THEIRS = Customer(id=3, total_spent=5_0000, tags=("vip", "Khách sỉ"))


async def test_a_backfill_applies_when_gone_of_deleted_rules(
    shop: Place, redis: ArqRedis, tmp_path: Path
) -> None:
    leaving = tmp_path / "leaving.yaml"
    leaving.write_text(
        (VIP % 10_000_000).replace("tag: VIP", "tag: VIP, when_gone: remove"), encoding="utf-8"
    )
    empty = tmp_path / "empty.yaml"
    empty.write_text("version: 1\nrules: []\n", encoding="utf-8")
    await shop.tagger("rules", "publish", ORG, str(leaving))
    await shop.tagger("rules", "publish", ORG, str(empty), "--approve")
    customer = shop.haravan.create(total_spent=20_000_000, tags="VIP")
    await known(redis, Customer(id=customer, tags=("VIP",)))
    await redis.delete(keys.shop(ORG, "snapshots"))  # or it would be looked at for that

    await shop.tagger("backfill", ORG)

    assert await redis.hget(keys.shop(ORG, f"mark:{customer}"), "reasons") == b"backfill:B3"


async def test_a_preview_shows_tags_cost_warnings_and_the_guard_and_writes_nothing(
    shop: Place, redis: ArqRedis, tmp_path: Path, rules: Path
) -> None:
    await shop.tagger("rules", "publish", ORG, str(rules))
    await known(redis, RICH, MIDDLING, THEIRS)

    said = await shop.tagger("rules", "preview", ORG, str(written(tmp_path, 9_000_000)))
    as_json = await shop.tagger("rules", "preview", ORG, str(written(tmp_path, 9_000_000)), "--json")

    assert (said.code, as_json.code) == (0, 0), said.err
    assert "Gắn 1 nhãn, gỡ 0 nhãn. Thay đổi 1 trong 3 khách đã biết. Số lần gọi API: 2, khoảng" in said.out
    assert "Cần có người duyệt (--approve): thay đổi hơn 0 khách." in said.out
    assert "~ Khách VIP (đã sửa)" in said.out
    assert "2 khách khớp, 67% tổng số" in said.out
    shown = json.loads(as_json.out)
    assert (shown["touched"], shown["guard"]["why"]) == (1, ["share"])
    assert int(await redis.get(keys.shop(ORG, "live_version")) or 0) == 1


async def test_a_preview_is_in_the_requested_language_and_shows_stopped_tags(
    shop: Place, redis: ArqRedis, tmp_path: Path
) -> None:
    tiers = tmp_path / "tiers.yaml"
    tiers.write_text(TIERS, encoding="utf-8")
    await known(redis, RICH, MIDDLING)
    now = 1000 * int((await redis.time())[0])
    undone = REVERTS_CODEC.encode({"gold": (now - 3_000, now - 2_000, now - 1_000)})
    await redis.hset(keys.shop(OrgId(ORG), "reverts"), mapping={"1": undone})

    vi = await shop.tagger("rules", "preview", ORG, str(tiers))
    en = await shop.tagger("rules", "preview", ORG, str(tiers), "--lang", "en")
    fr = await shop.tagger("rules", "preview", ORG, str(tiers), "--lang", "fr")

    assert "Hạng: không ai đổi hạng." in vi.out
    assert "tạm ngừng" in vi.out
    assert "Hạng: nobody moves." in en.out
    assert (fr.code, fr.out) == (2, "")
    assert "Tags added: 0, removed: 0. Customers touched: 0 of 2 known." in en.out


async def test_a_preview_counts_unknown_customers_and_names_the_next_command(
    shop: Place, redis: ArqRedis, rules: Path
) -> None:
    await known(redis, RICH, MIDDLING, THEIRS)
    await snapshots.save_count(redis, OrgId(ORG), 500)

    said = await shop.tagger("rules", "preview", ORG, str(rules))
    as_json = await shop.tagger("rules", "preview", ORG, str(rules), "--json")

    assert "⚠ Chưa thấy 497 trong 500 khách của cửa hàng" in said.out
    assert f"tagger backfill {ORG}" in said.out
    assert json.loads(as_json.out)["unseen"] == 497


async def test_a_large_publish_prints_its_preview_and_needs_an_approval(
    shop: Place, redis: ArqRedis, tmp_path: Path, rules: Path
) -> None:
    await shop.tagger("rules", "publish", ORG, str(rules))
    await known(redis, RICH, MIDDLING, THEIRS)
    lower = str(written(tmp_path, 9_000_000))

    refused = await shop.tagger("rules", "publish", ORG, lower)
    approved = await shop.tagger("rules", "publish", ORG, lower, "--approve", "--note", "Tết")

    assert refused.code == 1
    assert "needs an approval: it touches 1 of 3 customers" in refused.err
    assert approved.code == 0, approved.err
    assert "Version 2 is live" in approved.out
    run = (await runs.latest(redis, OrgId(ORG)))[0]
    assert (run.total, run.reason) == (1, "Tết")
    assert await redis.exists(keys.shop(ORG, "mark:2"))


async def test_the_latest_version_is_undone_without_an_approval_and_the_history_shows_equal_contents(
    shop: Place, redis: ArqRedis, tmp_path: Path, rules: Path
) -> None:
    await shop.tagger("rules", "publish", ORG, str(rules))
    await shop.tagger("rules", "publish", ORG, str(written(tmp_path, 9_000_000)))
    await known(redis, RICH, Customer(id=2, total_spent=9_660_000_0000, tags=("VIP",)))

    looked = await shop.tagger("rules", "rollback", ORG, "1", "--dry-run")
    undone = await shop.tagger("rules", "rollback", ORG, "1")
    history = json.loads((await shop.tagger("rules", "history", ORG, "--json")).out)
    table = await shop.tagger("rules", "history", ORG)

    assert "gỡ 1 nhãn" in looked.out
    assert "Cần có người duyệt" not in looked.out
    assert "Version 3 is live" in undone.out, undone.err
    assert [one["number"] for one in history] == [3, 2, 1]
    assert history[0]["content"] == history[2]["content"] != history[1]["content"]
    assert "v3 live" in table.out


async def test_text_is_printed_as_it_is_and_cannot_control_the_terminal(
    shop: Place, redis: ArqRedis, rules: Path
) -> None:
    note = "[/x] :smile: [red]Tết"
    await known(redis, Customer(id=3, tags=("\x1b[31m[/red]\x07 :fire:",)))
    await shop.tagger("rules", "publish", ORG, str(rules), "--note", note)

    shown = await shop.tagger("rules", "show", ORG)
    told = await shop.tagger("explain", ORG, "3")

    assert (shown.code, told.code) == (0, 0), shown.err + told.err
    assert note in shown.err
    assert "\ufffd[31m[/red]\ufffd :fire:" in told.out


async def test_rules_with_cents_are_read_back_from_their_json(
    shop: Place, redis: ArqRedis, tmp_path: Path
) -> None:
    await redis.hset(keys.shop(ORG, "shop"), "currency", "USD")
    when = "{field: total_spent, op: between, value: [10.50, 90071992547409.93]}"
    path = tmp_path / "usd.yaml"
    path.write_text(f"version: 1\ncurrency: USD\nrules:\n  - {{id: vip, tag: VIP, when: {when}}}\n")
    await shop.tagger("rules", "publish", ORG, str(path))

    shown = await shop.tagger("rules", "show", ORG, "--json")
    told = msgspec.json.decode(shown.out, type=dict[str, msgspec.Raw])
    path.write_bytes(told["rules"])
    again = await shop.tagger("rules", "publish", ORG, str(path))
    history = json.loads((await shop.tagger("rules", "history", ORG, "--json")).out)

    assert again.code == 0, again.err
    assert history[0]["content"] == history[1]["content"]


async def test_a_difference_is_printed_as_sentences_and_as_yaml(
    shop: Place, tmp_path: Path, rules: Path
) -> None:
    await shop.tagger("rules", "publish", ORG, str(rules))
    none = await shop.tagger("rules", "diff", ORG)
    await shop.tagger("rules", "publish", ORG, str(written(tmp_path, 9_000_000)))

    said = await shop.tagger("rules", "diff", ORG)
    as_yaml = await shop.tagger("rules", "diff", ORG, "2", "1", "--yaml")

    assert (none.code, "does not have two versions" in none.err) == (1, True)
    assert "~ Khách VIP (đã sửa)" in said.out
    assert "  + Tổng chi tiêu từ 9.000.000 ₫ trở lên" in said.out
    assert as_yaml.out.startswith("--- v2\n+++ v1\n")


async def test_adopting_counts_before_it_queues(shop: Place, redis: ArqRedis, rules: Path) -> None:
    await shop.tagger("rules", "publish", ORG, str(rules))
    await known(redis, RICH, THEIRS)

    counted = await shop.tagger("rules", "adopt", ORG, "VIP", "--dry-run")
    refused = await shop.tagger("rules", "retract", ORG, "VIP", "--yes")
    done = await shop.tagger("rules", "adopt", ORG, "VIP", "--yes")

    assert "1 copy of 'VIP' would become ours: customers 3" in counted.err
    assert (refused.code, "would give 'VIP' again" in refused.err) == (1, True)
    assert done.code == 0, done.err
    assert await redis.exists(keys.shop(ORG, "mark:3"))
    told = json.loads((await shop.tagger("explain", ORG, "3", "--tag", "VIP", "--json")).out)
    assert (told["tags"][0]["whose"], told["tags"][0]["rule"]) == ("adopted", "vip")


async def test_a_customer_is_excluded_and_included_again(shop: Place, redis: ArqRedis, rules: Path) -> None:
    await shop.tagger("rules", "publish", ORG, str(rules))
    await known(redis, Customer(id=1, total_spent=20_000_000_0000))

    tried = await shop.tagger("rules", "exclude", ORG, "1", "vip", "--dry-run")
    said = await shop.tagger("rules", "exclude", ORG, "3", "vip")
    unknown = await shop.tagger("rules", "exclude", ORG, "3", "nope")
    undone = await shop.tagger("rules", "exclude", ORG, "3", "vip", "--undo")

    assert "Customer 1 would be excluded from the rule vip; no tag changes." in tried.out
    assert "Customer 3 is excluded from the rule vip; this customer was not evaluated yet." in said.out
    assert (unknown.code, undone.code) == (1, 0)
    assert not await redis.exists(keys.shop(ORG, "exclusions"))


async def test_a_rules_file_that_is_not_utf_8_is_refused(shop: Place, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(VIP % 1, encoding="utf-16")

    said = await shop.tagger("rules", "check", str(path))

    assert (said.code, "is not UTF-8: save it with that encoding" in said.err) == (1, True)


async def test_an_explanation_says_what_is_missing_in_both_languages_and_as_json(
    shop: Place, redis: ArqRedis, rules: Path
) -> None:
    await shop.tagger("rules", "publish", ORG, str(rules))
    await known(redis, MIDDLING)

    vi = await shop.tagger("explain", ORG, "2", "--tag", "vip")
    en = await shop.tagger("explain", ORG, "2", "--lang", "en", "--on", "2026-12-01")
    as_json = await shop.tagger("explain", ORG, "2", "--version", "1", "--json")
    unknown = await shop.tagger("explain", ORG, str(CustomerId(99)))

    assert "✘ Tổng chi tiêu từ 10.000.000 ₫ trở lên (đang là 9.660.000 ₫, thiếu 340.000 ₫)" in vi.out
    assert "as of 1 Dec 2026" in en.out
    assert json.loads(as_json.out)["rules"][0]["when"]["matched"] is False
    assert (unknown.code, "was never looked at" in unknown.err) == (1, True)


async def test_checking_a_file_prints_warnings(shop: Place, tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(
        "version: 1\nrules:\n  - {id: a, tag: A, when: {all: [{field: orders_count, op: at_least, value: 9},"
        " {field: orders_count, op: at_most, value: 3}]}}\n",
        encoding="utf-8",
    )

    said = await shop.tagger("rules", "check", str(path), "--lang", "en")

    assert said.code == 0
    assert "no errors" in said.out
    assert "contradicts “Number of orders is at most 3”: no customer can match." in said.out
