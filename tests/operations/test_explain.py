"""An explanation says who owns each tag, what was written when, and why."""

from __future__ import annotations

from datetime import date

import pytest
from arq.connections import ArqRedis

from service.domain.customers.customer import CustomerId
from service.errors import NotFound
from service.locales import translator_for
from service.operations.explain import Explained, explain_for_shop
from service.store.client import keys
from service.store.shops.model import Shop
from tests.support.publishing import evaluate_customers, publish, rules, vip
from tests.workers.stage import ORG, Stage, staged


async def explained(stage: Stage, customer: int, on: date | None = None) -> Explained:
    shop = await stage.shops.get_or_raise(ORG)
    return await explain_for_shop(stage.context, shop, CustomerId(customer), on=on)


async def test_an_explanation_has_the_owner_of_each_tag_and_the_history_with_reasons(
    stage: Stage, shop: Shop
) -> None:
    (customer,) = await evaluate_customers(stage, 20_000_000, tags="Khách sỉ")
    stage.haravan.edit(customer, total_spent=9_660_000)
    await stage.announce(customer)
    await stage.turn(2)

    told = await explained(stage, customer)
    said = "\n".join(told.to_lines(words=translator_for("vi")))
    data = told.to_dict(words=translator_for("en"), tag="VIP")

    assert "Khách sỉ: do người khác gắn" in said
    assert "✘ Tổng chi tiêu từ 10.000.000 ₫ trở lên (đang là 9.660.000 ₫, thiếu 340.000 ₫)" in said
    assert "+VIP · quy tắc “vip” v1 · chạy lại R0 · khớp quy tắc · Tổng chi tiêu: 20.000.000 ₫" in said
    assert "−VIP · quy tắc “vip” v1 · webhook · không còn khớp" in said
    assert data["rules"][0]["when"]["distance"] == {"way": "lacks", "amount": 340_000}
    assert [entry["action"] for entry in data["ledger"]] == ["-", "+"]
    assert data["rules"][0]["state"] == "none"


async def test_a_customer_without_a_snapshot_cannot_be_explained(stage: Stage, shop: Shop) -> None:
    with pytest.raises(NotFound, match="was never evaluated"):
        await explained(stage, 4711)


async def test_in_shadow_mode_a_publish_writes_nothing_and_an_explanation_says_so(redis: ArqRedis) -> None:
    async with staged(redis, shadow=True) as stage:
        shop = await stage.shops.get_or_raise(ORG)
        (customer,) = await evaluate_customers(stage, 6_000_000)
        await publish(stage, shop, rules(vip(5_000_000)))
        await stage.turn(2)

        assert stage.wrote() == 0
        assert "chế độ thử" in "\n".join(
            (await explained(stage, customer)).to_lines(words=translator_for("vi"))
        )
        assert await redis.hlen(keys.shop(ORG, "owned")) == 0
