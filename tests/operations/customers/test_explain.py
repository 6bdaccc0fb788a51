"""An explanation says who owns each tag, what was written when, and why."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from service.domain.customers.customer import CustomerId
from service.errors import NotFound
from service.locales import translator_for
from service.operations.customers.explain import Explained, explain_for_shop
from service.store.client import RedisClient, keys
from service.store.shops.model import Shop
from tests.publishing.shop_walk import walk
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
    assert "✘ Tổng chi tiêu từ 10.000.000 ₫ trở lên (đang là 9.660.000 ₫, còn thiếu 340.000 ₫)" in said
    assert "+VIP · quy tắc “vip” v1 · chạy lại R0 · thỏa điều kiện · Tổng chi tiêu: 20.000.000 ₫" in said
    assert "−VIP · quy tắc “vip” v1 · webhook · không còn thỏa điều kiện" in said
    assert data["rules"][0]["when"]["distance"] == {"way": "lacks", "amount": 340_000}
    assert [entry["action"] for entry in data["ledger"]] == ["-", "+"]
    assert data["rules"][0]["state"] == "none"


async def test_a_customer_without_a_snapshot_cannot_be_explained(stage: Stage, shop: Shop) -> None:
    with pytest.raises(NotFound, match="was never evaluated"):
        await explained(stage, 4711)


async def test_in_shadow_mode_a_publish_writes_nothing_and_an_explanation_says_so(redis: RedisClient) -> None:
    async with staged(redis, shadow=True) as stage:
        shop = await stage.shops.get_or_raise(ORG)
        (customer,) = await evaluate_customers(stage, 6_000_000)
        await publish(stage, shop, rules(vip(5_000_000)))
        await stage.turn(2)

        assert stage.wrote() == 0
        assert "chế độ chạy thử" in "\n".join(
            (await explained(stage, customer)).to_lines(words=translator_for("vi"))
        )
        assert await redis.hlen(keys.shop(ORG, "owned")) == 0


async def lines(stage: Stage, customer: int) -> list[str]:
    return (await explained(stage, customer)).to_lines(words=translator_for("en"))


async def test_what_stands_in_the_way_comes_first(stage: Stage, shop: Shop) -> None:
    (customer,) = await evaluate_customers(stage, 5)
    stage.haravan.faults.fail(422, endpoint="POST tags", rate=1)
    stage.haravan.edit(customer, total_spent=20_000_000, announce=False)
    await stage.mark(customer)
    await stage.turn(6, rest_s=3_600)
    refused = await lines(stage, customer)
    await stage.mark(customer)
    await stage.shops.pause(ORG, reason="kiểm kê", by="Lan")
    paused = await lines(stage, customer)

    assert refused[1].startswith("Haravan refused: POST tags answered 422")
    assert refused[2] == "What follows is from the last successful evaluation."
    assert paused[1] == (
        f"The shop is paused (kiểm kê): nothing is evaluated or written. Resume it: tagger shops resume {ORG}"
    )
    assert paused[2] == "The customer is waiting to be evaluated again."


async def test_a_customer_of_a_first_look_says_what_it_waits_for(redis: RedisClient) -> None:
    async with staged(redis, first_look="pending") as stage:
        customers = [stage.haravan.create(total_spent=20_000_000) for _ in range(2)]
        with pytest.raises(NotFound, match="tagger backfill"):
            await explained(stage, customers[0])
        await walk(stage)
        await stage.execute_jobs()

        told = await explained(stage, customers[0])

    assert told.to_lines(words=translator_for("vi"))[1].startswith("Chưa gắn hay gỡ nhãn nào: đang chờ duyệt")
    assert told.to_dict(words=translator_for("vi"))["obstacles"] == ["first_look.waiting"]


@pytest.mark.parametrize(
    ("obstacle", "said"),
    [
        ("none", "tagger replay"),
        ("paused", "tagger shops resume"),
        ("queued", "is queued"),
        ("letter", "rejected"),
    ],
)
async def test_a_customer_that_was_never_evaluated_says_why(
    stage: Stage, shop: Shop, obstacle: str, said: str
) -> None:
    customer = stage.haravan.create(total_spent=20_000_000)
    if obstacle == "paused":
        await stage.shops.pause(ORG, reason="kiểm kê", by="Lan")
    if obstacle == "queued":
        await stage.mark(customer)
    if obstacle == "letter":
        stage.haravan.faults.fail(422, endpoint="POST tags", rate=1)
        await stage.mark(customer)
        await stage.turn(6, rest_s=3_600)

    with pytest.raises(NotFound, match=f"was never evaluated.*{said}"):
        await explained(stage, customer)


async def test_the_days_to_a_birthday_condition_name_the_day_on_which_it_becomes_true(
    redis: RedisClient,
) -> None:
    """The condition is true a week before the birthday: its days are not those to the birthday."""
    birthday = "  - {id: sn, tag: Sinh nhật, when: {field: birthday, op: in_next, value: 7 days}}\n"
    async with staged(redis, rules=rules(birthday)) as stage:
        today = datetime.fromtimestamp(stage.clock(), ZoneInfo("Asia/Ho_Chi_Minh")).date()
        born = (today + timedelta(days=20)).replace(year=1992)
        customer = stage.haravan.create(birthday=f"{born.isoformat()}T00:00:00+07:00")
        await stage.mark(customer)
        await stage.turn(2)

        told = "\n".join(await lines(stage, customer))

    words = translator_for("en")
    assert f"from {words.day(today + timedelta(days=13))}, in 13 days" in told
