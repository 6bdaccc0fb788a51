"""The log line and the metrics of a drained customer."""

from __future__ import annotations

from structlog.testing import capture_logs

from tests.workers.stage import Stage


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
