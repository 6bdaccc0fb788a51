"""From a drain, a publish or a pause to the receiver: what is sent, in which order, and what happens when it is not accepted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest

from service.alerts import Alerts
from service.context import Context
from service.domain.events import Endpoint, EndpointState, EventType
from service.domain.events.endpoint import DELAYS_S
from service.domain.events.signature import signature
from service.operations import endpoints as operations
from service.operations import erase_personal_data, pause_shop
from service.settings import Settings
from service.store.client import keys
from service.store.events import endpoints
from service.store.jobs import Counters
from service.store.shops import Shop
from tests.support.actors import LAN
from tests.support.receiver import Receiver, receiving
from tests.workers.stage import ORG, VIP, Stage
from workers.events import EVENT_JOB, EventDelivery, open_sender

LOOPBACK = ("127.0.0.0/8",)


@dataclass(slots=True)
class Given:
    """A shop with a receiver, and the delivery of its events."""

    stage: Stage
    context: Context
    delivery: EventDelivery
    receiver: Receiver
    alerts: list[str]

    async def shop(self) -> Shop:
        return await self.context.shops.get_or_raise(ORG)

    async def add(self, **options: Any) -> operations.NewSecret:
        return await operations.add_endpoint(
            self.context, await self.shop(), self.receiver.url, by=LAN, **options
        )

    async def deliver(self, endpoint_id: str = "E1") -> bool:
        return await self.delivery(ORG, endpoint_id)

    async def state(self, endpoint_id: str = "E1") -> tuple[Endpoint, EndpointState]:
        return await endpoints.get(self.stage.redis, ORG, endpoint_id)

    async def tag(self, customers: int) -> list[int]:
        """Have a drain tag new customers, one after the other."""
        created = []
        for _ in range(customers):
            created.append(self.stage.haravan.create(total_spent=20_000_000))
            await self.stage.announce(created[-1])
            await self.stage.turn(2)
        return created

    async def wait_for_next_attempt(self) -> None:
        _, state = await self.state()
        self.stage.clock.advance(max(0, state.due_ms - self.stage.now_ms) / 1000 + 1)


@pytest.fixture
async def given(stage: Stage) -> AsyncIterator[Given]:
    context = replace(stage.context, settings=Settings(event_networks=LOOPBACK))
    sent: list[str] = []

    async def send(_title: str, text: str) -> bool:
        sent.append(text)
        return True

    alerts = Alerts(stage.redis, send=send)
    async with receiving() as receiver, open_sender(LOOPBACK) as sender:
        delivery = EventDelivery(context, sender, Counters(stage.redis), alerts, jitter=lambda: 0.0)
        yield Given(stage, context, delivery, receiver, sent)
        await alerts.drain()


async def test_tags_of_a_drain_are_told_in_their_order_with_a_valid_signature(given: Given) -> None:
    new = await given.add()
    first, second = await given.tag(2)
    given.stage.haravan.edit(first, total_spent=1)
    await given.stage.announce(first)
    await given.stage.turn(2)

    await given.deliver()

    assert [(each["type"], each["data"]["customer_id"]) for each in given.receiver.events] == [
        ("customer.tagged", first),
        ("customer.tagged", second),
        ("customer.untagged", first),
    ]
    for headers, body in given.receiver.received:
        at_s = int(headers["webhook-timestamp"])
        expected = signature(new.secret, headers["webhook-id"], at_s, body)
        assert headers["webhook-signature"] == f"v1,{expected}"
    _, state = await given.state()
    assert (state.delivered, state.failure) == (3, "")


async def test_a_publish_and_a_pause_are_told_among_the_tags(given: Given) -> None:
    await given.add()
    await given.tag(1)
    await given.stage.publish(VIP.replace("10_000_000", "5_000_000"))
    await given.tag(1)
    await pause_shop(given.context, ORG, reason="Chị Hoa báo lỗi", by=LAN)
    await pause_shop(given.context, ORG, reason="again", by=LAN)

    await given.deliver()

    assert given.receiver.told() == [
        "customer.tagged VIP",
        "rules.published",
        "customer.tagged VIP",
        "shop.paused",
    ]
    assert given.receiver.events[1]["data"] == {"org": ORG, "version": 2, "parent": 1, "by": "test"}
    assert given.receiver.events[3]["data"] == {
        "org": ORG,
        "reason": "by_hand",
    }  # the text may be about a person


async def test_only_the_chosen_types_are_sent_and_nothing_from_before(given: Given) -> None:
    await given.tag(1)
    chosen: tuple[EventType, ...] = ("rules.published",)
    await given.add(events=chosen)
    await given.tag(2)
    await given.stage.publish(VIP.replace("10_000_000", "5_000_000"))
    await given.tag(1)

    await given.deliver()

    assert given.receiver.told() == ["rules.published"]
    assert await given.delivery.sweep() == 0  # the others are done with


async def test_decisions_of_shadow_mode_are_no_events(given: Given) -> None:
    await given.add()
    await given.stage.shops.set_shadow(ORG, shadow=True)
    await given.tag(1)

    await given.deliver()

    assert given.receiver.received == []


async def test_an_event_that_fails_is_sent_again_before_the_next_with_the_same_id(given: Given) -> None:
    await given.add()
    await given.tag(2)
    given.receiver.statuses = [500, 503]

    await given.deliver()
    at_once = await given.deliver()
    await given.wait_for_next_attempt()
    await given.deliver()
    waiting = (await given.state())[1]
    await given.wait_for_next_attempt()
    await given.deliver()

    ids = [headers["webhook-id"] for headers, _ in given.receiver.received]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert not at_once
    assert (waiting.attempts, waiting.failure) == (2, "HTTP 503")
    assert (await given.state())[1].delivered == 2


async def test_an_endpoint_that_is_dead_for_days_is_disabled_and_keeps_its_place(given: Given) -> None:
    await given.add()
    [customer] = await given.tag(1)
    given.receiver.statuses = [500] * (len(DELAYS_S) + 1)
    for _ in range(len(DELAYS_S) + 1):
        await given.deliver()
        await given.wait_for_next_attempt()
    endpoint, _ = await given.state()
    await given.delivery.alerts.drain()
    await given.tag(1)
    await given.deliver()
    silent = len(given.receiver.received)

    await operations.change_endpoint(given.context, ORG, "E1", disabled=False, by=LAN)
    await given.deliver()

    assert endpoint.disabled == "failing"
    assert [text for text in given.alerts if "tagger events enable" in text]
    assert silent == len(DELAYS_S) + 1
    assert given.receiver.events[silent]["data"]["customer_id"] == customer
    assert len(given.receiver.received) == silent + 2


async def test_a_receiver_that_is_gone_is_disabled_at_once(given: Given) -> None:
    await given.add()
    await given.tag(1)
    given.receiver.statuses = [410]

    await given.deliver()

    assert (await given.state())[0].disabled == "gone"


async def test_an_event_that_is_rejected_is_kept_and_can_be_sent_again(given: Given) -> None:
    await given.add()
    rejected, _ = await given.tag(2)
    given.receiver.statuses = [400] * 4
    for _ in range(4):
        await given.deliver()
        await given.wait_for_next_attempt()
    [dead] = await endpoints.list_dead(given.stage.redis, ORG, "E1")
    sent = len(given.receiver.received)

    assert await operations.retry_rejected(given.context, ORG, "E1", by=LAN) == 1
    assert await given.delivery.sweep() == 1
    await given.deliver()

    assert (dead.cause, dead.source) == ("HTTP 400", "ledger")
    assert sent == 5  # the other event went out
    assert given.receiver.events[-1]["data"]["customer_id"] == rejected
    assert await endpoints.list_dead(given.stage.redis, ORG, "E1") == []
    assert await given.delivery.sweep() == 0


async def test_a_replay_sends_what_was_sent_again_with_the_same_ids(given: Given) -> None:
    await given.add()
    await given.tag(2)
    await given.deliver()

    await operations.replay_events(given.context, ORG, "E1", since_ms=1, by=LAN)
    await given.deliver()

    ids = [headers["webhook-id"] for headers, _ in given.receiver.received]
    assert ids[:2] == ids[3:]
    assert ids[2].startswith("notice_")  # the publish before the endpoint was added


async def test_a_new_secret_signs_beside_the_former_one(given: Given) -> None:
    former = await given.add()
    new = await operations.rotate_secret(given.context, await given.shop(), "E1", by=LAN)
    await given.tag(1)

    await given.deliver()

    [(headers, body)] = given.receiver.received
    at_s = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"].split(" ") == [
        f"v1,{signature(secret, headers['webhook-id'], at_s, body)}" for secret in (new.secret, former.secret)
    ]
    stored = await given.stage.redis.hgetall(keys.shop(ORG, "endpoints"))
    assert not [secret for secret in (new.secret, former.secret) if secret.encode() in stored[b"E1"]]


async def test_a_dead_endpoint_delays_no_other(given: Given) -> None:
    await given.add()
    await given.tag(1)
    async with receiving() as other:
        await operations.add_endpoint(given.context, await given.shop(), other.url, by=LAN)
        await given.tag(1)
        given.receiver.statuses = [500]

        await given.deliver("E1")
        await given.deliver("E2")

        assert other.told() == ["customer.tagged VIP"]
        assert (await given.state("E1"))[1].delivered == 0


async def test_an_erased_customer_is_told_to_nobody_any_more(given: Given) -> None:
    await given.add()
    [customer] = await given.tag(1)
    await erase_personal_data(given.context, await given.shop(), customer, by=LAN)  # type: ignore[arg-type]

    await given.deliver()

    assert given.receiver.received == []


async def test_the_sweep_enqueues_one_job_for_each_endpoint_with_events(given: Given) -> None:
    await given.add()
    nothing = await given.delivery.sweep()
    await given.tag(1)

    assert (nothing, await given.delivery.sweep(), await given.delivery.sweep()) == (0, 1, 0)
    jobs = await given.stage.redis.queue.keys("arq:job:events:*")
    assert jobs == [f"arq:job:{EVENT_JOB}:{ORG}:E1".encode()]


async def test_a_shop_without_endpoints_is_not_looked_at_again(given: Given) -> None:
    await given.add()
    await operations.remove_endpoint(given.context, ORG, "E1", by=LAN)

    await given.delivery.sweep()

    assert await endpoints.shops(given.stage.redis) == []


async def test_what_a_person_changes_during_an_attempt_stays(given: Given) -> None:
    await given.add()
    await given.tag(1)
    _, state = await given.state()

    def rewound(endpoint: Endpoint, current: EndpointState) -> tuple[Endpoint, EndpointState]:
        return endpoint, msgspec.structs.replace(current, ledger="0-1")

    class Changing:
        """A sender during whose request a person rewinds the endpoint."""

        async def send(self, *arguments: Any) -> Any:
            await endpoints.change(given.stage.redis, ORG, "E1", rewound)
            return await given.delivery.sender.send(*arguments)

    delivery = replace(given.delivery, sender=Changing())  # type: ignore[arg-type]

    await delivery(ORG, "E1")

    assert (await given.state())[1].ledger == "0-1" != state.ledger
