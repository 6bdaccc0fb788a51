"""The page of pictures: days of the shop's rules, and the backlog and the API as of now."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from service.context import Context
from service.locales import translator_for
from service.store.client import RedisClient
from service.store.history import DayCounts, TagChanges, TagOfRule, day_counts
from service.store.queue import load_backlogs
from service.store.rules import Versions
from service.store.shops import ShopRepository
from service.web.pages.activity.load import WIDTH, draw_api, draw_backlog, load_plots
from tests.support.shop import ORG
from tests.support.visitors import Visitor


@pytest.fixture
async def today(redis: RedisClient) -> int:
    """The shop's day, which has changes."""
    seconds, _ = await redis.time()
    day = datetime.fromtimestamp(int(seconds), ZoneInfo("Asia/Ho_Chi_Minh")).toordinal()
    await day_counts.save_day(redis, ORG, DayCounts(day, {TagOfRule("vip", "VIP"): TagChanges(12, 3)}))
    return day


async def test_the_days_end_with_that_of_the_shop(
    redis: RedisClient, shops: ShopRepository, today: int
) -> None:
    context = Context(redis, shops, Versions(redis))

    changes, *_ = await load_plots(context, ORG, language="vi", days=30)

    assert len(changes.columns) == 30
    assert (changes.rows[0][1:], changes.keys[0].value) == (("12", "3"), "+12")


@pytest.mark.parametrize(
    ("query", "columns"), [("", 30), ("?days=90", 90), ("?days=400", 58), ("?days=9", 30)]
)
async def test_a_span_is_chosen(owner: Visitor, today: int, query: str, columns: int) -> None:
    page = (await owner.get(f"/shops/{ORG}/activity/load{query}")).text

    assert page.count('class="place"') == 4 * columns  # changes, calls, backlog, age


async def test_the_bars_have_the_numbers_as_text(redis: RedisClient, shops: ShopRepository) -> None:
    [backlog] = await load_backlogs(redis, [ORG])
    backlog.customers.update(live=1, bulk=3)
    t = translator_for("vi")

    waiting, api = draw_backlog(backlog, t), draw_api(backlog, 10, t)

    assert "Thay đổi mới: 1, Xuất bản, chạy lại, quét: 3" in waiting.text
    assert sum(part.width for part in waiting.parts) == WIDTH
    assert api.text == "đã dùng 0/80, chừa 10 cho ứng dụng khác"


async def test_the_page_has_every_picture_with_its_text(owner: Visitor) -> None:
    page = (await owner.get(f"/shops/{ORG}/activity/load")).text

    assert page.count('role="img"') == 6
    assert page.count("<title id=") == 6
