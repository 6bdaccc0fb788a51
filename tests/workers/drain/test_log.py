"""The log line and the metrics of a drained customer."""

from __future__ import annotations

import json

from structlog.testing import capture_logs

from service.domain.customers.customer import CustomerId
from service.store.queue import dead_letters
from tests.workers.stage import ORG, Stage


async def test_an_updated_customer_is_one_line_with_the_written_tags(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    await stage.announce(customer)

    with capture_logs() as logs:
        await stage.turn()

    (line,) = [line for line in logs if line["event"] == "customer"]
    assert (line["customer"], line["outcome"], line["cause"]) == (customer, "updated", "delivery")
    assert (line["added"], line["removed"]) == (["VIP"], None)


async def test_the_line_of_a_failed_write_has_the_failure(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=12_000_000)
    stage.haravan.faults.fail(503, endpoint="POST tags")
    await stage.announce(customer)

    with capture_logs() as logs:
        await stage.turn()

    (line,) = [line for line in logs if line["event"] == "customer"]
    assert line["outcome"] == "retry_scheduled"
    assert line["detail"].startswith("POST tags answered 503")


async def test_what_haravan_says_of_a_person_is_in_the_dead_letter_alone(stage: Stage) -> None:
    customers = [stage.haravan.create(total_spent=12_000_000) for _ in range(6)]
    said = "Nguyễn Thị Ánh, 12 Lý Thường Kiệt, anh@example.com \x1b[31m" + "a!" * 40_000
    body = json.dumps({"errors": {"base": [said]}})
    stage.haravan.faults.fail(422, endpoint="POST tags", rate=1, body=body)
    with capture_logs() as logs:
        await stage.mark(customers[0])
        await stage.turn(8, rest_s=60)
        await stage.mark(*customers[1:])
        await stage.turn(2)
        await stage.drain.alerts.drain()

    assert "alert" in {line["event"] for line in logs}
    state = await stage.redis.hgetall(stage.key("state"))
    assert "Nguyễn" not in repr(logs) + b" ".join(state.values()).decode()
    (letter,) = await dead_letters.for_customer(stage.redis, ORG, CustomerId(customers[0]))
    assert "POST tags answered 422 (base)" in letter.text
    assert "Nguyễn Thị Ánh" in letter.text
    assert "anh@example.com" not in letter.text
    assert "\x1b" not in letter.text
    assert len(letter.text) < 400
