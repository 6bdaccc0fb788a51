"""`tagger rules check|show`."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from service.domain.customers.customer import Customer
from service.store.client import RedisClient, keys
from tests.deploy.cli.environment import (
    DEMO_RULES,
    ORG,
    VIP,
    CliEnvironment,
    store_customers,
)

pytestmark = pytest.mark.usefixtures("vietnamese")

PLACES = "rules: [{id: a, name: Sài Gòn, tag: A, when: {field: province, op: in, value: [TP. HCM]}}]"
ENGLISH = {"a", "the", "is", "of", "and", "expected", "error", "errors", "line", "missing"}


async def test_rules_are_checked_published_and_shown(shop: CliEnvironment) -> None:
    checked = await shop.tagger("rules", "check", DEMO_RULES)
    published = await shop.tagger("rules", "publish", ORG, DEMO_RULES, "--note", "ngày đầu")
    shown = await shop.tagger("rules", "show", ORG)

    assert (checked.code, published.code, shown.code) == (0, 0, 0)
    assert "Phiên bản 1 đang chạy" in published.out
    assert "tag: Ngủ đông" in shown.out


async def test_bad_rules_are_named_with_line_and_column(environment: CliEnvironment) -> None:
    result = await environment.tagger(
        "rules", "check", "-", stdin="version: 1\nrules:\n  - {id: a, tag: 'x,y'}\n"
    )

    assert result.code == 1
    assert "-: dòng 3, cột 18: quy tắc 1 “a”: nhãn không được có dấu phẩy" in result.err
    assert "-: 2 lỗi." in result.err
    assert not (ENGLISH & set(result.err.split()))


async def test_several_files_are_all_checked(shop: CliEnvironment, tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.yaml", tmp_path / "good.yaml"
    bad.write_text("version: 1\nrules:\n  - {id: a, tag: 'x,y'}\n", encoding="utf-8")
    good.write_text("version: 1\nrules: []\n", encoding="utf-8")

    result = await shop.tagger("rules", "check", str(bad), str(good), "--lang", "en")

    assert result.code == 1
    assert f"{bad}: line 3, column 18" in result.err
    assert f"{good}: 0 rules" in result.out


async def test_checking_a_file_prints_warnings(shop: CliEnvironment, tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(
        "version: 1\nrules:\n  - {id: a, tag: A, when: {all: [{field: orders_count, op: at_least, value: 9},"
        " {field: orders_count, op: at_most, value: 3}]}}\n",
        encoding="utf-8",
    )

    result = await shop.tagger("rules", "check", str(path), "--lang", "en")

    assert result.code == 0
    assert "1 rule, 0 tiers, no errors." in result.out
    assert "contradicts “Number of orders is at most 3”: no customer can match." in result.out


async def test_a_rules_file_that_is_not_utf_8_is_refused(shop: CliEnvironment, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(VIP % 1, encoding="utf-16")

    result = await shop.tagger("rules", "check", str(path))

    assert (result.code, "không phải UTF-8: hãy lưu tệp với bảng mã này" in result.err) == (1, True)


async def test_rules_with_cents_are_read_back_from_their_json(
    shop: CliEnvironment, redis: RedisClient, tmp_path: Path
) -> None:
    await redis.hset(keys.shop(ORG, "shop"), "currency", "USD")
    when = "{field: total_spent, op: between, value: [10.50, 90071992547409.93]}"
    path = tmp_path / "usd.yaml"
    path.write_text(f"version: 1\ncurrency: USD\nrules:\n  - {{id: vip, tag: VIP, when: {when}}}\n")
    await shop.tagger("rules", "publish", ORG, str(path))

    shown = await shop.tagger("rules", "show", ORG, "--json")
    document = msgspec.json.decode(shown.out, type=dict[str, msgspec.Raw])
    path.write_bytes(document["rules"])
    again = await shop.tagger("rules", "publish", ORG, str(path))

    assert again.code == 0, again.err
    assert "đang chạy rồi: phiên bản 1" in again.out


async def test_text_is_printed_as_it_is_and_cannot_control_the_terminal(
    shop: CliEnvironment, redis: RedisClient, rules: Path
) -> None:
    note = "[/x] :smile: [red]Tết"
    await store_customers(redis, Customer(id=3, tags=("\x1b[31m[/red]\x07 :fire:",)))
    await shop.tagger("rules", "publish", ORG, str(rules), "--note", note)

    shown = await shop.tagger("rules", "show", ORG)
    explained = await shop.tagger("explain", ORG, "3")

    assert (shown.code, explained.code) == (0, 0), shown.err + explained.err
    assert note in shown.err
    assert "\ufffd[31m[/red]\ufffd :fire:" in explained.out


async def test_values_are_compared_with_those_of_a_shop(
    shop: CliEnvironment, redis: RedisClient, tmp_path: Path
) -> None:
    await store_customers(redis, *(Customer(id=n, province="Hồ Chí Minh") for n in range(1, 4)))
    path = tmp_path / "places.yaml"
    path.write_text(PLACES, encoding="utf-8")

    alone = await shop.tagger("rules", "check", str(path))
    compared = await shop.tagger("rules", "check", str(path), "--org", ORG)
    previewed = await shop.tagger("rules", "preview", ORG, str(path), "--lang", "en")

    assert "⚠" not in alone.out
    assert (
        "⚠ Sài Gòn: Tỉnh/Thành phố: chưa khách hàng nào có “TP. HCM”. Có phải ý bạn là “Hồ Chí Minh” (3)?"
        in compared.out
    )
    assert "Province: no customer has “TP. HCM”. Did you mean “Hồ Chí Minh” (3)?" in previewed.out
