"""The checks of a run find a lost delivery, a wrong tag and a leaked secret, and nothing else."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from random import Random

import pytest

from deploy.sandbox import Sandbox
from deploy.sandbox.webhooks.signature import sign
from service.domain.customers.customer import OrgId
from service.domain.sync.webhooks import DeliveryRecord, encode_delivery
from service.store.client import RedisClient
from service.store.queue import dirty
from service.store.queue.dirty import DirtyEvent
from tests.chaos.load import ShopUnderLoad
from tests.chaos.recorded_deliveries import RecordedDeliveries
from tests.chaos.verdict import lost_deliveries, wrong_tags
from tests.support import canaries

TOPIC = "customers/update"
BODY = b'{"id":7}'
SIGNATURE = sign(BODY, "a-secret")


def a_shop() -> ShopUnderLoad:
    handle = Sandbox().add_shop()
    deliveries = handle.shop.deliveries = RecordedDeliveries(handle.shop.deliveries)
    return ShopUnderLoad(handle, deliveries)


@pytest.mark.parametrize(
    ("acknowledged", "missing"), [pytest.param(1, 0, id="once"), pytest.param(2, 1, id="twice")]
)
async def test_each_acknowledgement_needs_its_own_recorded_delivery(
    redis: RedisClient, acknowledged: int, missing: int
) -> None:
    shop = a_shop()
    record = encode_delivery(DeliveryRecord(TOPIC, b64decode(SIGNATURE), len(BODY)))
    await dirty.mark_dirty(
        redis, OrgId(shop.handle.org), [DirtyEvent("7", identity=b"a" * 16, record=record)], lane="live"
    )

    shop.deliveries.acknowledged[TOPIC, SIGNATURE] = acknowledged

    assert len(await lost_deliveries(redis, [shop])) == missing


@pytest.mark.parametrize(
    ("tags", "wrong"),
    [
        pytest.param(["VIP", "Bạc", "Zalo"], 0, id="right"),
        pytest.param(["VIP", "Zalo"], 1, id="a tier level is missing"),
        pytest.param(["VIP", "Bạc", "Vàng", "Zalo"], 1, id="an extra tier level"),
        pytest.param(["VIP", "Bạc"], 1, id="a tag of staff is gone"),
    ],
)
def test_a_customer_must_have_the_tags_of_the_rules_and_of_staff(tags: list[str], wrong: int) -> None:
    shop = a_shop()
    shop.ids = shop.handle.populate(1, seed=1)
    customer = shop.ids[0]
    shop.by_hand[customer], shop.given_before[customer] = {"Zalo"}, set()

    shop.handle.edit(customer, total_spent=12_000_000, orders_count=1, accepts_marketing=False, tags=tags)

    assert len(wrong_tags([shop])) == wrong


def test_some_customers_had_a_tag_of_a_rule_from_staff_before() -> None:
    shop = a_shop()
    shop.populate(200, 1, Random(1))

    customers = [customer for customer in shop.ids if "VIP" in shop.given_before[customer]]

    assert customers
    assert all("VIP" in shop.handle.tags(customer) for customer in customers)


def test_a_planted_secret_is_found_in_a_log_and_not_repeated(tmp_path: Path) -> None:
    log = tmp_path / "web0.log"
    log.write_text(f'{{"event": "request"}}\n{{"error": "{canaries.WEBHOOK_SECRET}"}}\n', encoding="utf-8")

    leaks = canaries.find_in_logs([log])

    assert len(leaks) == 1
    assert canaries.WEBHOOK_SECRET not in leaks[0]
