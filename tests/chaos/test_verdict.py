"""The judge of a run is judged itself: a lost delivery and a wrong tag are found, and nothing else."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from random import Random

import pytest
from arq.connections import ArqRedis

from deploy.sandbox import Sandbox
from deploy.sandbox.webhooks.signature import sign
from service.domain.customers.customer import OrgId
from service.domain.sync.webhooks import DeliveryRecord, encode_delivery
from service.store.queue import dirty
from service.store.queue.dirty import DirtyEvent
from tests.chaos import canaries
from tests.chaos.load import Shopful
from tests.chaos.verdict import lost, wrong_tags
from tests.chaos.witnessing import Witness

TOPIC = "customers/update"
BODY = b'{"id":7}'
SIGNATURE = sign(BODY, "a-secret")


def a_shop() -> Shopful:
    handle = Sandbox().add_shop()
    handle.shop.deliveries = witness = Witness(handle.shop.deliveries)
    return Shopful(handle, witness)


@pytest.mark.parametrize(
    ("acknowledged", "missing"), [pytest.param(1, 0, id="once"), pytest.param(2, 1, id="twice")]
)
async def test_each_acknowledgement_needs_an_entry_of_its_own(
    redis: ArqRedis, acknowledged: int, missing: int
) -> None:
    shop = a_shop()
    record = encode_delivery(DeliveryRecord(TOPIC, b64decode(SIGNATURE), len(BODY)))
    await dirty.mark_dirty(
        redis, OrgId(shop.handle.org), [DirtyEvent("7", identity=b"a" * 16, record=record)], lane="live"
    )

    shop.witness.answered[TOPIC, SIGNATURE] = acknowledged

    assert len(await lost(redis, [shop])) == missing


@pytest.mark.parametrize(
    ("tags", "wrong"),
    [
        pytest.param(["VIP", "Bạc", "Zalo"], 0, id="as it should be"),
        pytest.param(["VIP", "Zalo"], 1, id="a level is missing"),
        pytest.param(["VIP", "Bạc", "Vàng", "Zalo"], 1, id="a level too many"),
        pytest.param(["VIP", "Bạc"], 1, id="staff's tag is gone"),
    ],
)
def test_a_customer_is_right_with_the_rules_tags_and_staffs(tags: list[str], wrong: int) -> None:
    shop = a_shop()
    shop.ids = shop.handle.populate(1, seed=1)
    customer = shop.ids[0]
    shop.by_hand[customer], shop.earlier[customer] = {"Zalo"}, set()

    shop.handle.edit(customer, total_spent=12_000_000, orders_count=1, accepts_marketing=False, tags=tags)

    assert len(wrong_tags([shop])) == wrong


def test_what_a_rule_gives_too_may_have_been_staffs_before() -> None:
    shop = a_shop()
    shop.populate(200, 1, Random(1))

    early = [each for each in shop.ids if "VIP" in shop.earlier[each]]

    assert early
    assert all("VIP" in shop.handle.tags(each) for each in early)


def test_a_planted_secret_is_found_in_a_log_and_not_told(tmp_path: Path) -> None:
    log = tmp_path / "web0.log"
    log.write_text(f'{{"event": "request"}}\n{{"error": "{canaries.SECRET}"}}\n', encoding="utf-8")

    found = canaries.found_in_logs([log])

    assert len(found) == 1
    assert canaries.SECRET not in found[0]
