"""The activity page, its live part, and the file for spreadsheets."""

from __future__ import annotations

import csv
import html
import io
import re

from service.domain.documents import parse_rules
from service.locales import translator_for
from service.store.client import RedisClient
from service.store.rules import Versions
from service.web.pages.activity.feed import Feed, FeedRow
from service.web.pages.activity.feed_pages import to_csv
from tests.support.history import add_entry
from tests.support.shop import ORG
from tests.support.visitors import Visitor
from tests.web.ops.conftest import HIGH

PATH = f"/shops/{ORG}/activity"
AT_MS = 1_700_000_000_000


async def test_a_change_has_its_rule_source_and_reason(owner: Visitor, redis: RedisClient) -> None:
    await Versions(redis).publish(ORG, parse_rules(HIGH), author="test", parent=0)
    await add_entry(redis, 7, "+VIP", at_ms=AT_MS, cause="publish:P3", written=False)

    page = (await owner.get(PATH)).text

    assert f'href="/shops/{ORG}/customers/7"' in page
    assert "Khách VIP" in page
    assert "xuất bản P3" in page
    assert "thỏa điều kiện" in page
    assert "Chưa ghi" in page  # shadow mode


async def test_the_live_part_has_what_came_since_and_nothing_else(owner: Visitor, redis: RedisClient) -> None:
    await add_entry(redis, 7, "+VIP", at_ms=AT_MS)
    page = (await owner.get(PATH)).text
    [address] = re.findall(r'data-hx-get="(/shops/[0-9]+/activity[^"]*)"', page)
    await add_entry(redis, 8, "-VIP", at_ms=AT_MS + 1)

    live = await owner.get(html.unescape(address), HX_Request="true")

    assert "<html" not in live.text
    assert "1 thay đổi mới" in live.text
    assert "#8" in live.text
    assert "#7" not in live.text


async def test_older_pages_and_other_lists_are_not_live(owner: Visitor, redis: RedisClient) -> None:
    for number in range(60):
        await add_entry(redis, number + 1, "+VIP", at_ms=AT_MS + number)
    page = (await owner.get(PATH)).text
    [older] = re.findall(rf'href="({PATH}\?before=[^"]*)"', page)

    second = (await owner.get(html.unescape(older))).text
    webhooks = (await owner.get(f"{PATH}?show=webhooks")).text

    assert "data-live" in page
    assert "data-live" not in second + webhooks
    assert "#60" in page
    assert "#10<" in second
    assert "Cũ hơn" in page
    assert "Cũ hơn" not in second


async def test_wrong_filters_are_said_or_ignored(owner: Visitor) -> None:
    page = (
        await owner.get(f"{PATH}?customer=abc&from=hôm+qua&show=x&source=x&before=x~y&after=1~2~3~4")
    ).text

    assert "chỉ gồm chữ số" in page
    assert "Viết ngày như 28/11/2026." in page


async def test_the_file_has_the_rows_of_the_filter_without_personal_data(
    owner: Visitor, redis: RedisClient
) -> None:
    await add_entry(redis, 7, "+VIP", at_ms=AT_MS)
    await add_entry(redis, 8, "-Gold", at_ms=AT_MS + 1)

    answer = await owner.get(f"{PATH}.csv?tag=vip")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="activity-{ORG}.csv"'
    [_, row] = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert row[:4] == ["2023-11-14T22:13:20+00:00", "7", "gắn", "VIP"]


def test_no_cell_begins_a_formula() -> None:
    rows = tuple(FeedRow("change", "1-0", 1, None, True, tag) for tag in ("=1+1", "+VIP", "-x", "@x", "VIP"))

    lines = [*csv.reader(io.StringIO(to_csv(Feed(rows), translator_for("en")).decode("utf-8-sig")))]

    assert [line[3] for line in lines[1:]] == ["'=1+1", "'+VIP", "'-x", "'@x", "VIP"]
