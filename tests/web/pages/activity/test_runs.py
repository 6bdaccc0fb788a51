"""What was counted is started with a reason and a pace, followed, paused, resumed and cancelled."""

from __future__ import annotations

import pytest

from service.store.client import RedisClient, keys
from service.store.history import audit_log
from service.store.jobs import Run, pending, replays, runs
from service.web.pages.activity.runs import estimate_minutes, percent_done, to_row
from tests.support.shop import ORG
from tests.support.visitors import Visitor, heading, location

PATH = f"/shops/{ORG}/replay"


async def counted(owner: Visitor, ids: str = "1 2 3") -> str:
    """The path of what was counted."""
    return location(await owner.post(f"{PATH}/count", source="customers", ids=ids))


async def the_run(redis: RedisClient, path: str) -> Run:
    return await runs.get(redis, ORG, path.removeprefix(f"{PATH}/"))


async def test_it_starts_once_with_a_reason_and_a_pace(owner: Visitor, redis: RedisClient) -> None:
    path = await counted(owner)

    asked = await owner.get(path)
    started = await owner.post(path, reason="sự cố", pace="120")
    again = await owner.post(path, reason="lần nữa", pace="0")

    run = await the_run(redis, path)
    assert heading(asked) == "Xem lại trước khi chạy"
    assert "Chạy lại 3 khách hàng" in asked.text
    assert (location(started), location(again)) == (path, path)
    assert (run.reason, run.by, run.per_minute, run.is_active) == ("sự cố", "owner", 120, True)
    assert [row.entry.action for row in await audit_log.list_entries(redis, ORG)] == ["replay"]


@pytest.mark.parametrize("form", [{"reason": ""}, {"reason": "x" * 201}, {"reason": "x", "pace": "nhanh"}])
async def test_without_a_reason_or_with_an_unknown_pace_nothing_starts(
    owner: Visitor, redis: RedisClient, form: dict[str, str]
) -> None:
    path = await counted(owner)

    answer = await owner.post(path, **form)

    assert answer.status_code == 422
    assert (await the_run(redis, path)).counted


async def test_it_is_paused_resumed_and_cancelled(owner: Visitor, redis: RedisClient) -> None:
    path = await counted(owner)
    await owner.post(path, reason="x")

    await owner.post(f"{path}/pause")
    paused = (await owner.get(path, HX_Request="true")).text
    await owner.post(f"{path}/resume")
    resumed = (await owner.get(path)).text
    await owner.post(f"{path}/cancel")
    late = await owner.post(f"{path}/pause")
    ended = (await owner.get(path)).text

    assert "Tạm dừng bởi owner" in paused
    assert f'formaction="{path}/resume"' in paused
    assert f'formaction="{path}/pause"' in resumed
    assert location(late) == path
    assert "đã hủy" in ended
    assert "<form" not in ended[ended.index('id="run"') :]
    actions = [row.entry.action for row in await audit_log.list_entries(redis, ORG)]
    assert actions == ["cancel_replay", "resume_replay", "pause_replay", "replay"]


async def test_the_progress_is_asked_for_until_it_is_done(owner: Visitor, redis: RedisClient) -> None:
    path = await counted(owner, "1")
    await owner.post(path, reason="x")
    active = (await owner.get(path)).text
    run = await the_run(redis, path)
    await replays.mark_next(redis, ORG, run.id, 1)
    [job] = await pending.list_jobs(redis, ORG)
    await replays.complete(redis, job)
    await redis.delete(keys.shop(ORG, f"run:{run.id}:remaining"))

    done = (await owner.get(path)).text

    assert f'data-hx-get="{path}"' in active
    assert f'data-hx-get="{path}"' not in done
    assert "xong 1" in done


@pytest.mark.parametrize("run", ["R999", "R1~", "x" * 30])
async def test_a_run_that_does_not_exist_is_not_found(owner: Visitor, run: str) -> None:
    assert (await owner.get(f"{PATH}/{run}")).status_code == 404


def test_a_run_is_at_100_percent_only_when_nothing_remains() -> None:
    run = Run("R1", "replay", "an", "", 1, total=1000, remaining=1)

    assert percent_done(run) == 99
    assert to_row(run).state == "active"
    assert estimate_minutes(0) == 0
    assert estimate_minutes(1) == 1
    assert estimate_minutes(12_001) == 2
    assert estimate_minutes(120, 60) == 2
