"""Customers are counted first, by a filter, and what was counted has a page of its own."""

from __future__ import annotations

import pytest

from service.domain.customers.customer import Customer
from service.store.client import RedisClient
from service.store.history import audit_log
from service.store.jobs import Run, runs
from service.store.queue import dirty
from service.store.queue.dirty import DirtyEvent
from service.store.shops import save_first_look
from service.web.pages.activity.replay import parse_ids
from tests.support.shop import ORG
from tests.support.visitors import Visitor, location
from tests.web.ops.conftest import store_customer, store_dead_letter

PATH = f"/shops/{ORG}/replay"


async def fill(redis: RedisClient) -> None:
    """Customers 1 to 3 are known, 4 has a webhook, 5 a dead letter."""
    for number in (1, 2, 3):
        await store_customer(redis, Customer(id=number))
    await dirty.mark_dirty(redis, ORG, [DirtyEvent("4", identity=b"4")], lane="live")
    await store_dead_letter(redis, 5)


async def counted(owner: Visitor, redis: RedisClient, **form: str) -> Run:
    """The run that a count leads to."""
    answer = await owner.post(f"{PATH}/count", **form)
    return await runs.get(redis, ORG, location(answer).removeprefix(f"{PATH}/"))


@pytest.mark.parametrize(
    ("form", "count"),
    [
        ({"source": "customers", "ids": "1, 2\n2 #7"}, 3),
        ({"source": "deliveries"}, 1),
        ({"source": "deliveries", "from": "01/01/2020", "outcome": "marked", "ids": "4"}, 1),
        ({"source": "dead_letters"}, 1),
        ({"source": "everybody"}, 3),
    ],
)
async def test_what_is_counted_is_frozen_and_nothing_else_happens(
    owner: Visitor, redis: RedisClient, form: dict[str, str], count: int
) -> None:
    await fill(redis)

    run = await counted(owner, redis, **form)

    assert (run.kind, run.total, run.waiting, run.counted) == ("replay", count, count, True)
    assert await runs.latest(redis, ORG) == []
    assert [*await audit_log.list_entries(redis, ORG)] == []


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "Chọn khách hàng để chạy lại."),
        ({"source": "nobody"}, "Chọn khách hàng để chạy lại."),
        ({"source": "customers"}, "Dán ít nhất một mã"),
        ({"source": "customers", "ids": "1 2 le dung"}, "không phải mã khách hàng: le, dung"),
        ({"source": "customers", "ids": " ".join(map(str, range(1, 10_002)))}, "tối đa 10.000"),
        ({"source": "deliveries", "from": "mai"}, "Viết ngày như"),
        ({"source": "deliveries", "to": "31/02/2026"}, "Viết ngày như"),
        ({"source": "deliveries", "ids": "x1"}, "không phải mã khách hàng: x1"),
        ({"source": "deliveries", "topic": "orders/paid"}, "Không có khách hàng nào như vậy."),
        ({"source": "dead_letters"}, "Không có khách hàng nào như vậy."),
    ],
)
async def test_a_wrong_selection_is_said(owner: Visitor, form: dict[str, str], said: str) -> None:
    answer = await owner.post(f"{PATH}/count", **form)

    assert answer.status_code == 422
    assert said in answer.text


async def test_everybody_waits_for_the_first_look(owner: Visitor, redis: RedisClient) -> None:
    await save_first_look(redis, ORG, "pending")

    answer = await owner.post(f"{PATH}/count", source="everybody")

    assert "chưa đọc xong lần đầu" in answer.text


async def test_a_link_fills_in_the_form(owner: Visitor) -> None:
    page = (await owner.get(f"{PATH}?topic=orders/paid&outcome=echo&from=01/02/2026&ids=7")).text

    assert '<option value="orders/paid" selected>' in page
    assert '<option value="echo" selected>' in page
    assert 'value="01/02/2026"' in page
    assert ">7</textarea>" in page


async def test_the_list_is_asked_for_again_while_a_run_goes_on(owner: Visitor, redis: RedisClient) -> None:
    idle = (await owner.get(PATH)).text
    run = await counted(owner, redis, source="customers", ids="1")
    await owner.post(f"{PATH}/{run.id}", reason="x")

    part = await owner.get(PATH, HX_Request="true")

    assert f'data-hx-get="{PATH}"' not in idle
    assert f'data-hx-get="{PATH}"' in part.text
    assert "<html" not in part.text
    assert "0/1" in part.text


@pytest.mark.parametrize(
    ("text", "ids", "wrong"),
    [
        ("id\n1\n2", [1, 2], []),
        ('"1";"2"\r\n#3', [1, 2, 3], []),
        ("Mã khách hàng\n1", [1], ["khách", "hàng"]),
        ("0 1 -1 1", [1], ["0", "-1"]),
        ("", [], []),
    ],
)
def test_ids_are_read_from_lists_and_columns(text: str, ids: list[int], wrong: list[str]) -> None:
    assert parse_ids(text) == (ids, wrong)
