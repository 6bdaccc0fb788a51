"""Claims by hand: whose copies of a tag become ours, and that nobody is left behind, whatever dies meanwhile."""

from __future__ import annotations

from arq.connections import ArqRedis

from service.store import claims
from service.store.claims import Claim
from tests.workers.stage import ORG, Stage, staged

TIER = """
version: 1
tiers:
  - id: hang
    owns: added
    levels:
      - {tag: Vàng, when: {field: total_spent, op: at_least, value: 50_000_000}}
      - {tag: Bạc, when: {field: total_spent, op: at_least, value: 10_000_000}}
"""
CHAIN = """
version: 1
rules:
  - {id: vip, tag: VIP, when: {field: total_spent, op: at_least, value: 10_000_000}}
  - {id: gift, tag: Quà, when: {field: tags, op: has_any, value: [VIP]}}
"""


async def adoption(stage: Stage, tag: str, *, matching_only: bool = False) -> Claim:
    shop = await stage.shops.require(ORG)
    return await claims.plan_adoption(
        stage.redis, shop, tag, matching_only=matching_only, versions=stage.versions, now_ms=stage.now_ms
    )


async def looked_at(stage: Stage, *spent: int, tags: str) -> list[int]:
    customers = [stage.haravan.create(total_spent=each, tags=tags) for each in spent]
    await stage.mark(*customers)
    await stage.turn(3)
    return customers


async def test_of_a_tier_only_the_level_that_it_would_give_counts_as_matching(stage: Stage) -> None:
    await stage.publish(TIER)
    golden, silver, _ = await looked_at(stage, 60_000_000, 20_000_000, 1, tags="Bạc, Vàng")

    assert [*(await adoption(stage, "Bạc", matching_only=True)).owners] == [silver]
    assert [*(await adoption(stage, "Vàng", matching_only=True)).owners] == [golden]
    assert len((await adoption(stage, "Bạc")).owners) == 3


async def test_what_follows_from_a_tag_that_is_still_to_be_written_counts_too(redis: ArqRedis) -> None:
    async with staged(redis, rules=CHAIN, shadow=True) as stage:
        rich, _ = await looked_at(stage, 20_000_000, 1, tags="Quà")

        assert [*(await adoption(stage, "Quà", matching_only=True)).owners] == [rich]
