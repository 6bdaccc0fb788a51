"""Housekeeping drops personal fields that no live rule reads any more, and lets erased data leave the disk."""

from __future__ import annotations

from service.domain.customers.customer import CustomerId
from service.store.customers.sealed_snapshots import read_snapshot
from service.store.queue.erasure import erase_customer
from service.store.topology import load_rewrite_state
from tests.workers.stage import ORG, VIP, Stage

BY_EMAIL = """
version: 1
rules:
  - {id: mail, name: Mail, tag: Mail, when: {field: email, op: contains, value: example}}
"""


async def email_in_snapshot(stage: Stage, customer: int) -> str | None:
    stored = await stage.redis.hget(stage.key("snapshots"), str(customer))
    assert stored is not None
    return read_snapshot(stored).open(await stage.shops.cipher(ORG)).email


async def test_an_e_mail_is_kept_while_a_live_rule_reads_it_and_dropped_afterwards(stage: Stage) -> None:
    await stage.publish(BY_EMAIL)
    customer = stage.haravan.create(email="an@example.com", total_spent=5)
    await stage.announce(customer)
    await stage.turn(2)
    await stage.housekeeping.run()
    assert stage.haravan.tags(customer) == {"Mail"}
    assert await email_in_snapshot(stage, customer) == "an@example.com"

    await stage.publish(VIP)
    await stage.housekeeping.run()

    assert await email_in_snapshot(stage, customer) is None


async def test_after_an_erasure_the_append_only_file_is_rewritten(stage: Stage) -> None:
    await erase_customer(stage.redis, ORG, CustomerId(7))
    assert (await load_rewrite_state(stage.redis)).waiting

    await stage.housekeeping.run()

    assert not (await load_rewrite_state(stage.redis)).waiting
