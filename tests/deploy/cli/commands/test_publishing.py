"""`tagger rules preview|publish|rollback`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from service.domain.customers.customer import Customer, OrgId
from service.domain.sync import REVERTS_CODEC
from service.store.client import RedisClient, keys
from service.store.customers import snapshots
from service.store.jobs import runs
from tests.deploy.cli.environment import (
    ABOVE,
    BELOW,
    DEMO_RULES,
    ORG,
    TAGGED_BY_HAND,
    TIERS,
    VIP,
    CliEnvironment,
    store_customers,
    write_rules,
)

pytestmark = pytest.mark.usefixtures("vietnamese")

VIETNAMESE = re.compile(r"\S*[ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]\S*", re.IGNORECASE)
ENGLISH = re.compile(r"\b(?:the|is|are|was|were|and|customers?|nothing|needs|processed)\b", re.IGNORECASE)


async def test_a_preview_shows_tags_cost_warnings_and_the_guard_and_writes_nothing(
    shop: CliEnvironment, redis: RedisClient, tmp_path: Path, rules: Path
) -> None:
    await shop.tagger("rules", "publish", ORG, str(rules))
    await store_customers(redis, ABOVE, BELOW, TAGGED_BY_HAND)

    result = await shop.tagger("rules", "preview", ORG, str(write_rules(tmp_path, 9_000_000)))
    as_json = await shop.tagger("rules", "preview", ORG, str(write_rules(tmp_path, 9_000_000)), "--json")

    assert (result.code, as_json.code) == (0, 0), result.err
    assert (
        "Gắn 1 nhãn, gỡ 0 nhãn. Thay đổi ở 1 trong 3 khách hàng đã biết. Cần 2 lần gọi API, khoảng"
        in result.out
    )
    assert "Cần duyệt trước khi thực hiện (--approve): hơn 0 khách hàng thay đổi." in result.out
    assert "~ Khách VIP (đã sửa)" in result.out
    assert "2 khách hàng thỏa điều kiện, 67% tổng số" in result.out
    shown = json.loads(as_json.out)
    assert (shown["touched"], shown["guard"]["why"]) == (1, ["share"])
    assert int(await redis.get(keys.shop(ORG, "live_version")) or 0) == 1


async def test_a_preview_is_in_the_requested_language_and_shows_stopped_tags(
    shop: CliEnvironment, redis: RedisClient, tmp_path: Path
) -> None:
    tiers = tmp_path / "tiers.yaml"
    tiers.write_text(TIERS, encoding="utf-8")
    await store_customers(redis, ABOVE, BELOW)
    now = 1000 * int((await redis.time())[0])
    undone = REVERTS_CODEC.encode({"gold": (now - 3_000, now - 2_000, now - 1_000)})
    await redis.hset(keys.shop(OrgId(ORG), "reverts"), mapping={"1": undone})

    vi = await shop.tagger("rules", "preview", ORG, str(tiers))
    en = await shop.tagger("rules", "preview", ORG, str(tiers), "--lang", "en")
    fr = await shop.tagger("rules", "preview", ORG, str(tiers), "--lang", "fr")

    assert "Hạng: không khách hàng nào đổi hạng." in vi.out
    assert "tạm ngừng" in vi.out
    assert "Hạng: no customer changes level." in en.out
    assert (fr.code, fr.out) == (2, "")
    assert "Tags added: 0, removed: 0. Customers changed: 0 of 2 known." in en.out


async def test_a_preview_counts_unknown_customers_and_names_the_next_command(
    shop: CliEnvironment, redis: RedisClient, rules: Path
) -> None:
    await store_customers(redis, ABOVE, BELOW, TAGGED_BY_HAND)
    await snapshots.save_count(redis, OrgId(ORG), 500)

    result = await shop.tagger("rules", "preview", ORG, str(rules))
    as_json = await shop.tagger("rules", "preview", ORG, str(rules), "--json")

    assert "⚠ 497 trong 500 khách hàng của cửa hàng chưa được quét" in result.out
    assert f"tagger backfill {ORG}" in result.out
    assert json.loads(as_json.out)["unscanned"] == 497


async def test_a_large_publish_prints_its_preview_and_needs_an_approval(
    shop: CliEnvironment, redis: RedisClient, tmp_path: Path, rules: Path
) -> None:
    await shop.tagger("rules", "publish", ORG, str(rules))
    await store_customers(redis, ABOVE, BELOW, TAGGED_BY_HAND)
    lower = str(write_rules(tmp_path, 9_000_000))

    refused = await shop.tagger("rules", "publish", ORG, lower)
    approved = await shop.tagger("rules", "publish", ORG, lower, "--approve", "--note", "Tết")

    assert refused.code == 1
    assert "Cần duyệt trước khi thực hiện (--approve): hơn 0 khách hàng thay đổi" in refused.out
    assert approved.code == 0, approved.err
    assert "Phiên bản 2 đang chạy: 1 quy tắc" in approved.out
    run = (await runs.latest(redis, OrgId(ORG)))[0]
    assert (run.total, run.reason) == (1, "Tết")
    assert await redis.exists(keys.shop(ORG, "mark:2"))


async def test_publishing_looks_at_everybody_known_again(shop: CliEnvironment, redis: RedisClient) -> None:
    await redis.hset(keys.shop(ORG, "snapshots"), "7", "x")

    result = await shop.tagger("rules", "publish", ORG, DEMO_RULES)

    assert "còn 1 khách hàng" in result.out
    assert await redis.exists(keys.shop(ORG, "mark:7"))


async def test_the_latest_version_is_undone_without_an_approval_and_the_history_shows_equal_contents(
    shop: CliEnvironment, redis: RedisClient, tmp_path: Path, rules: Path
) -> None:
    await shop.tagger("rules", "publish", ORG, str(rules))
    await shop.tagger("rules", "publish", ORG, str(write_rules(tmp_path, 9_000_000)))
    await store_customers(redis, ABOVE, Customer(id=2, total_spent=9_660_000_0000, tags=("VIP",)))

    previewed = await shop.tagger("rules", "rollback", ORG, "1", "--dry-run")
    rolled_back = await shop.tagger("rules", "rollback", ORG, "1")
    history = json.loads((await shop.tagger("rules", "history", ORG, "--json")).out)
    table = await shop.tagger("rules", "history", ORG)

    assert "gỡ 1 nhãn" in previewed.out
    assert "Cần có người duyệt" not in previewed.out
    assert "Phiên bản 3 đang chạy" in rolled_back.out, rolled_back.err
    assert [version["number"] for version in history] == [3, 2, 1]
    assert history[0]["content"] == history[2]["content"] != history[1]["content"]
    assert "v3 (đang chạy)" in table.out
    assert "quay lại bản v1" in table.out


async def test_publishing_the_same_rules_again_publishes_nothing(
    shop: CliEnvironment, redis: RedisClient, rules: Path
) -> None:
    await shop.tagger("rules", "publish", ORG, str(rules))

    again = await shop.tagger("rules", "publish", ORG, str(rules), "--note", "khác")

    assert (again.code, "đang chạy rồi: phiên bản 1" in again.out) == (0, True)
    assert await redis.get(keys.shop(ORG, "live_version")) == b"1"


async def test_a_roll_back_names_what_it_cannot_do(shop: CliEnvironment, rules: Path) -> None:
    without = await shop.tagger("rules", "rollback", ORG, "0")
    await shop.tagger("rules", "publish", ORG, str(rules))
    live = await shop.tagger("rules", "rollback", ORG, "1")
    unknown = await shop.tagger("rules", "rollback", ORG, "7")
    to_nothing = await shop.tagger("rules", "rollback", ORG, "0")

    assert (without.code, "chưa có quy tắc" in without.err) == (1, True)
    assert (live.code, "phiên bản 1 đang chạy rồi" in live.err) == (1, True)
    assert (unknown.code, "không có phiên bản quy tắc 7" in unknown.err) == (1, True)
    assert (to_nothing.code, "Phiên bản 2 đang chạy: 0 quy tắc và 0 nhóm hạng" in to_nothing.out) == (0, True)


async def test_a_tag_that_stays_behind_is_counted_everywhere(
    shop: CliEnvironment, redis: RedisClient, rules: Path, tmp_path: Path
) -> None:
    await shop.tagger("rules", "publish", ORG, str(rules))
    await store_customers(redis, ABOVE, BELOW)
    renamed = tmp_path / "renamed.yaml"
    renamed.write_text((VIP % 10_000_000).replace("tag: VIP", "tag: Khách quý"), encoding="utf-8")
    told = "1 khách hàng vẫn giữ nhãn “VIP”"

    checked = await shop.tagger("rules", "check", str(renamed), "--org", ORG)
    previewed = await shop.tagger("rules", "preview", ORG, str(renamed))
    published = await shop.tagger("rules", "publish", ORG, str(renamed), "--approve")
    compared = await shop.tagger("rules", "diff", ORG)
    retracted = await shop.tagger("rules", "retract", ORG, "VIP", "--yes")
    approved = await shop.tagger("rules", "retract", ORG, "VIP", "--approve")

    for result in (checked, previewed, published, compared):
        assert told in result.out, result
        assert f"tagger rules retract {ORG} VIP" in result.out
    assert (retracted.code, "cần được duyệt" in retracted.err) == (1, True)
    assert approved.code == 0, approved.err
    assert await redis.hget(keys.shop(ORG, "mark:1"), "reasons") is not None


@pytest.mark.parametrize("lang", ["vi", "en"])
async def test_a_command_never_changes_its_language(
    shop: CliEnvironment, redis: RedisClient, tmp_path: Path, rules: Path, lang: str
) -> None:
    await shop.tagger("rules", "publish", ORG, str(rules), "--lang", lang)
    await store_customers(redis, ABOVE, BELOW, TAGGED_BY_HAND)
    lower, wrong = str(write_rules(tmp_path, 9_000_000)), tmp_path / "wrong.yaml"
    wrong.write_text("version: 1\nrules: [{id: vip}]\n", encoding="utf-8")

    texts = []
    for line in (
        ["rules", "preview", ORG, lower],
        ["rules", "preview", ORG, str(wrong)],
        ["rules", "publish", ORG, lower],
        ["rules", "publish", ORG, str(wrong)],
        ["rules", "publish", ORG, lower, "--approve"],
        ["rules", "publish", ORG, lower, "--approve"],
        ["rules", "rollback", ORG, "1"],
        ["backfill", ORG],
        ["explain", ORG, "1"],
        ["doctor", ORG],
    ):
        result = await shop.tagger(*line, "--lang", lang)
        texts.append(f"{result.out}{result.err}")
    said = "".join(texts).replace("Khách VIP", "").replace("Khách sỉ", "").replace("Nhà Gốm", "")

    assert all(texts)
    if lang == "en":
        assert VIETNAMESE.findall(said) == []
    else:
        assert ENGLISH.findall(said) == []
