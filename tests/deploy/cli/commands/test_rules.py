"""`tagger rules check|show`."""

from __future__ import annotations

from pathlib import Path

import msgspec
from arq.connections import ArqRedis

from service.domain.customers.customer import Customer
from service.store.client import keys
from tests.deploy.cli.environment import (
    DEMO_RULES,
    ORG,
    VIP,
    CliEnvironment,
    store_customers,
)


async def test_rules_are_checked_published_and_shown(shop: CliEnvironment) -> None:
    checked = await shop.tagger("rules", "check", DEMO_RULES)
    published = await shop.tagger("rules", "publish", ORG, DEMO_RULES, "--note", "ngày đầu")
    shown = await shop.tagger("rules", "show", ORG)

    assert (checked.code, published.code, shown.code) == (0, 0, 0)
    assert "Version 1 is live" in published.out
    assert "tag: Ngủ đông" in shown.out


async def test_bad_rules_are_named_with_line_and_column(environment: CliEnvironment) -> None:
    result = await environment.tagger(
        "rules", "check", "-", stdin="version: 1\nrules:\n  - {id: a, tag: 'x,y'}\n"
    )

    assert result.code == 1
    assert "-: line 3, column " in result.err
    assert "comma" in result.err


async def test_checking_a_file_prints_warnings(shop: CliEnvironment, tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(
        "version: 1\nrules:\n  - {id: a, tag: A, when: {all: [{field: orders_count, op: at_least, value: 9},"
        " {field: orders_count, op: at_most, value: 3}]}}\n",
        encoding="utf-8",
    )

    result = await shop.tagger("rules", "check", str(path), "--lang", "en")

    assert result.code == 0
    assert "no errors" in result.out
    assert "contradicts “Number of orders is at most 3”: no customer can match." in result.out


async def test_a_rules_file_that_is_not_utf_8_is_refused(shop: CliEnvironment, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(VIP % 1, encoding="utf-16")

    result = await shop.tagger("rules", "check", str(path))

    assert (result.code, "is not UTF-8: save it with that encoding" in result.err) == (1, True)


async def test_rules_with_cents_are_read_back_from_their_json(
    shop: CliEnvironment, redis: ArqRedis, tmp_path: Path
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
    assert "live already: version 1" in again.out


async def test_text_is_printed_as_it_is_and_cannot_control_the_terminal(
    shop: CliEnvironment, redis: ArqRedis, rules: Path
) -> None:
    note = "[/x] :smile: [red]Tết"
    await store_customers(redis, Customer(id=3, tags=("\x1b[31m[/red]\x07 :fire:",)))
    await shop.tagger("rules", "publish", ORG, str(rules), "--note", note)

    shown = await shop.tagger("rules", "show", ORG)
    explained = await shop.tagger("explain", ORG, "3")

    assert (shown.code, explained.code) == (0, 0), shown.err + explained.err
    assert note in shown.err
    assert "\ufffd[31m[/red]\ufffd :fire:" in explained.out
