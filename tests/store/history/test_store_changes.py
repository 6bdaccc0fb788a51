"""Losses of data in the store, kept for the doctor."""

from __future__ import annotations

from service.store.client import RedisClient, keys
from service.store.history import StoreLoss
from service.store.history.store_changes import KEPT_S, SLOT_MS, load_recent, save

AT_MS = 1_795_150_800_000


async def test_a_loss_that_several_processes_notice_is_saved_once(redis: RedisClient) -> None:
    for delay_ms in (0, 700, SLOT_MS):
        await save(
            redis, StoreLoss("emptied", AT_MS + delay_ms, since_ms=AT_MS - 900_000, shops=1), partition=7
        )
    await save(redis, StoreLoss("rewound", AT_MS, since_ms=AT_MS, shops=1), partition=0)

    found = await load_recent(redis, now_ms=AT_MS + SLOT_MS)

    assert [(loss.kind, loss.at_ms - AT_MS) for loss in found] == [
        ("emptied", 0),
        ("rewound", 0),
        ("emptied", SLOT_MS),
    ]
    assert 0 < await redis.ttl(keys.of_partition(7, "store_losses")) <= KEPT_S
