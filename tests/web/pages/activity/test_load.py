"""The pictures count what the ledger has, in the shop's days, and fit into their frame."""

from __future__ import annotations

from datetime import date

import pytest
from arq.connections import ArqRedis

from service.context import Context
from service.locales import translator_for
from service.store.queue import load_backlogs
from service.store.rules import Versions
from service.store.shops import ShopRepository
from service.web.pages.activity.load import (
    DAYS,
    WIDTH,
    DayCounts,
    count_by_day,
    draw_api,
    draw_backlog,
    draw_days,
)
from service.web.pages.activity.span import day_ms
from tests.support.history import add_entry
from tests.support.shop import ORG
from tests.support.visitors import Visitor

ZONE = "Asia/Ho_Chi_Minh"
TODAY = date(2026, 11, 28)


async def counts(redis: ArqRedis, shops: ShopRepository) -> DayCounts:
    return await count_by_day(Context(redis, shops, Versions(redis)), ORG, timezone=ZONE, today=TODAY)


async def test_changes_count_on_the_day_of_the_shop_and_shadow_mode_does_not_count(
    redis: ArqRedis, shops: ShopRepository
) -> None:
    midnight = day_ms(TODAY, ZONE)
    await add_entry(redis, 1, "+VIP", at_ms=midnight - 40 * 86_400_000)
    await add_entry(redis, 1, "+VIP", at_ms=midnight - 1)
    await add_entry(redis, 1, "+Gold", at_ms=midnight - 1, written=False)
    await add_entry(redis, 1, "-VIP", at_ms=midnight)
    await add_entry(redis, 2, "+VIP", at_ms=midnight + 1)

    found = await counts(redis, shops)

    today = TODAY.toordinal()
    assert (found.added, found.removed) == ({today - 1: 1, today: 1}, {today: 1})
    assert found.first == today - DAYS + 1


async def test_too_many_changes_leave_out_the_days_that_were_not_read_completely(
    redis: ArqRedis, shops: ShopRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.web.pages.activity.load.BATCH", 2)
    monkeypatch.setattr("service.web.pages.activity.load.MAX_READ", 4)
    midnight = day_ms(TODAY, ZONE)
    for number in range(-3, 3):
        await add_entry(redis, 1, "+VIP", at_ms=midnight + number)

    picture = draw_days(await counts(redis, shops), today=TODAY, t=translator_for("vi"))

    assert picture.is_partial
    assert [(column.day, column.added) for column in picture.columns] == [("28/11/2026", 3)]


def test_columns_stay_in_their_frame_and_small_ones_are_visible() -> None:
    today = TODAY.toordinal()
    given = DayCounts({today: 100_000, today - 1: 1}, {today - 2: 50_000}, today - DAYS + 1)

    picture = draw_days(given, today=TODAY, t=translator_for("en"))

    assert len(picture.columns) == DAYS
    assert all(column.x >= 0 and column.x + column.width <= WIDTH for column in picture.columns)
    assert all(column.up <= picture.axis and picture.axis + column.down <= 180 for column in picture.columns)
    assert [column.up for column in picture.columns[-2:]] == [1, max(c.up for c in picture.columns)]
    assert picture.text == (
        "30 days: 100,001 tags added, 50,000 tags removed. The most on 28 Nov 2026: 100,000 changes."
    ).replace("50,000 tags", "50,000")


def test_a_shop_without_changes_has_an_empty_picture() -> None:
    picture = draw_days(DayCounts({}, {}, TODAY.toordinal()), today=TODAY, t=translator_for("vi"))

    assert (picture.added, picture.removed) == (0, 0)
    assert all((column.up, column.down) == (0, 0) for column in picture.columns)


async def test_the_bars_have_the_numbers_as_text(redis: ArqRedis, shops: ShopRepository) -> None:
    [backlog] = await load_backlogs(redis, [ORG])
    backlog.customers.update(live=1, bulk=3)
    t = translator_for("vi")

    waiting, api = draw_backlog(backlog, t), draw_api(backlog, 10, t)

    assert "Thay đổi mới: 1, Xuất bản, chạy lại, quét: 3" in waiting.text
    assert sum(part.width for part in waiting.parts) == WIDTH
    assert api.text == "đã dùng 0/80, chừa 10 cho ứng dụng khác"


async def test_the_page_has_every_picture_with_its_text(owner: Visitor) -> None:
    page = (await owner.get(f"/shops/{ORG}/activity/load")).text

    assert page.count('role="img"') == 3
    assert page.count("<title id=") == 3
