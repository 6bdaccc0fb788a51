"""A replay is counted first; what was counted is what runs, with a reason and an entry in the audit log."""

from __future__ import annotations

import html
import re

import pytest
from arq.connections import ArqRedis

from service.domain.customers.customer import Customer
from service.store.history import audit_log
from service.store.jobs import Run, runs
from service.store.queue import dirty
from service.store.queue.dirty import DirtyEvent
from service.store.shops import save_first_look
from service.web.pages.activity.replay import estimate_minutes, parse_ids, percent_done
from tests.support.shop import ORG
from tests.support.visitors import Visitor, location
from tests.web.ops.conftest import store_customer, store_dead_letter

PATH = f"/shops/{ORG}/replay"


async def fill(redis: ArqRedis) -> None:
    """Customers 1 to 3 are known, 4 has a webhook, 5 a dead letter."""
    for number in (1, 2, 3):
        await store_customer(redis, Customer(id=number))
    await dirty.mark_dirty(redis, ORG, [DirtyEvent("4", identity=b"4")], lane="live")
    await store_dead_letter(redis, 5)


def hidden_fields(page: str) -> dict[str, str]:
    """The form that starts what was counted."""
    form = page[page.index('id="counted"') :]
    return {
        name: html.unescape(value)
        for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)
        if name != "form_token"
    }


@pytest.mark.parametrize(
    ("form", "count"),
    [
        ({"source": "customers", "ids": "1, 2\n2 #7"}, 3),
        ({"source": "time", "since": "01/01/2020"}, 1),
        ({"source": "dead_letters"}, 1),
        ({"source": "everybody"}, 3),
    ],
)
async def test_what_is_counted_runs(
    owner: Visitor, redis: ArqRedis, form: dict[str, str], count: int
) -> None:
    await fill(redis)

    counted = await owner.post(f"{PATH}/count", reason="sự cố", **form)
    nothing_yet = await runs.latest(redis, ORG)
    started = await owner.post(PATH, **hidden_fields(counted.text))

    assert f"Chạy lại {count} khách hàng" in counted.text
    assert nothing_yet == []
    assert location(started) == PATH
    [run] = await runs.latest(redis, ORG)
    assert (run.kind, run.total, run.reason, run.by) == ("replay", count, "sự cố", "owner")
    [entry] = [row.entry for row in await audit_log.list_entries(redis, ORG)]
    assert entry.action == "replay"


async def test_a_webhook_after_the_count_is_not_part_of_it(owner: Visitor, redis: ArqRedis) -> None:
    await fill(redis)
    counted = await owner.post(f"{PATH}/count", source="time", since="01/01/2020", reason="x")
    fields = hidden_fields(counted.text)
    await dirty.mark_dirty(redis, ORG, [DirtyEvent("6", identity=b"6")], lane="live")

    await owner.post(PATH, **fields)

    [run] = await runs.latest(redis, ORG)
    assert run.total == 1


async def test_another_number_than_counted_is_refused_and_counted_again(
    owner: Visitor, redis: ArqRedis
) -> None:
    await fill(redis)
    counted = await owner.post(f"{PATH}/count", source="everybody", reason="x")
    await store_customer(redis, Customer(id=4))

    answer = await owner.post(PATH, **hidden_fields(counted.text))

    assert answer.status_code == 422
    assert "bây giờ là 4" in answer.text
    assert hidden_fields(answer.text)["counted"] == "4"
    assert await runs.latest(redis, ORG) == []


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "Chọn khách hàng để chạy lại."),
        ({"source": "nobody"}, "Chọn khách hàng để chạy lại."),
        ({"source": "customers"}, "Dán ít nhất một mã"),
        ({"source": "customers", "ids": "1 2 le dung"}, "không phải mã khách hàng: le, dung"),
        ({"source": "customers", "ids": " ".join(map(str, range(1, 10_002)))}, "tối đa 10.000"),
        ({"source": "time", "since": "mai"}, "Viết ngày như"),
        ({"source": "time", "since": ""}, "Viết ngày như"),
        ({"source": "dead_letters"}, "Không có khách hàng nào như vậy."),
    ],
)
async def test_a_wrong_selection_is_said(
    owner: Visitor, redis: ArqRedis, form: dict[str, str], said: str
) -> None:
    for path in (f"{PATH}/count", PATH):
        answer = await owner.post(path, reason="x", counted="1", **form)

        assert answer.status_code == 422
        assert said in answer.text
    assert await runs.latest(redis, ORG) == []


async def test_without_a_reason_nothing_starts(owner: Visitor, redis: ArqRedis) -> None:
    counted = await owner.post(f"{PATH}/count", source="customers", ids="1")
    answer = await owner.post(PATH, **hidden_fields(counted.text))

    assert "disabled" in counted.text
    assert answer.status_code == 422
    assert await runs.latest(redis, ORG) == []


async def test_everybody_waits_for_the_first_look(owner: Visitor, redis: ArqRedis) -> None:
    await save_first_look(redis, ORG, "pending")

    answer = await owner.post(f"{PATH}/count", source="everybody", reason="x")

    assert "chưa đọc xong lần đầu" in answer.text


async def test_the_progress_is_asked_for_while_a_run_goes_on(owner: Visitor, redis: ArqRedis) -> None:
    idle = (await owner.get(PATH)).text
    counted = await owner.post(f"{PATH}/count", source="customers", ids="1", reason="x")
    await owner.post(PATH, **hidden_fields(counted.text))

    part = await owner.get(PATH, HX_Request="true")

    assert 'hx-get="' + PATH not in idle
    assert 'hx-get="' + PATH in part.text
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


def test_a_run_is_at_100_percent_only_when_nothing_remains() -> None:
    run = Run("R1", "replay", "an", "", 1, total=1000, remaining=1)

    assert percent_done(run) == 99
    assert estimate_minutes(0) == 0
    assert estimate_minutes(1) == 1
    assert estimate_minutes(12_001) == 2
