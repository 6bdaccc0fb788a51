"""Odd answers of Haravan's API, by endpoint: what comes of the customer, and that nobody else notices.

For each row a new shop has two customers that are due for a tag (or its removal), beside another shop that is always
well. The real drain runs with a clock of its own. The first call of the row's endpoint that names the customer gets
the odd answer; later ones are right, unless the row says `times`. After them, a customer that does not wait gets
another webhook.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Final

from deploy.sandbox import ShopHandle
from service.domain.customers import CustomerId, OrgId
from service.domain.documents import parse_rules
from service.store.client import connect, keys
from service.store.queue import dead_letters, dirty
from service.store.shops import Shop, save_first_look
from tests.hostile.api_rows import ROWS, Row
from tests.hostile.edge import milliseconds_since
from tests.hostile.odd_api import FOREVER, Answer, OddApi, odd_api
from tests.hostile.verdict import Verdict
from tests.support.valkey import valkey
from tests.workers.stage import VIP, Stage, staged
from workers.drain import Drain
from workers.haravan import Haravan

TABLE: Final = "API answers"
OWN: Final = "Khách sỉ"  # a tag that a person gave, which must stay
STEPS_S: Final = (3.0, 30.0, 120.0, 700.0, *[3_700.0] * 14)  # between drains: beyond every wait
REST_S: Final = 2.5  # between rows, so that the rate limit of the other shop has room
LONG_TIMEOUT_S: Final = 60.0  # of a call: a busy machine must not look like a Haravan that does not answer
SHORT_TIMEOUT_S: Final = 3.0  # of a call that nobody answers to its end
LEFT: Final = "left as it is"
TOKEN_REJECTED: Final = Answer(b"{}", 401)

__all__ = ["ROWS", "TABLE", "run", "running_api"]


@dataclass(frozen=True, slots=True)
class TimedDrain(Drain):
    """The drain, with an API client that waits another time for an answer. It has no time of its own to run out of."""

    call_timeout_s: float = LONG_TIMEOUT_S

    def _api(self, shop: Shop) -> Haravan:
        return Haravan(
            self.session,
            org=shop.org,
            dialect=shop.dialect,
            address=shop.api_url,
            token=shop.token,
            call_timeout_s=self.call_timeout_s,
        )


class World:
    """The stage, the odd API before it, and a shop that is always well."""

    other_shop: ShopHandle

    def __init__(self, stage: Stage, api: OddApi) -> None:
        self.stage = stage
        self.api = api
        self._opened = 0
        parts = {name: getattr(stage.drain, name) for name in Drain.__dataclass_fields__}
        self._patient = TimedDrain(**parts | {"monotonic": stage.clock})
        self._impatient = replace(self._patient, call_timeout_s=SHORT_TIMEOUT_S)

    async def open_shop(self, *, admin: bool = False) -> ShopHandle:
        """A new shop behind the odd API, with the VIP rule."""
        self._opened += 1
        org = OrgId(str(2_000_000_000 + self._opened))
        handle = self.stage.sandbox.add_shop(org=org, token=f"token-{org}")
        handle.bucket.size = 100_000
        await self.stage.shops.add(
            Shop(
                org=org,
                name="Cửa hàng thử",
                dialect="admin" if admin else "omni",
                api_url=f"{self.api.url}/{'admin' if admin else 'com'}",
                token=handle.token,
            )
        )
        await save_first_look(self.stage.redis, org, "complete")
        await self.stage.versions.publish(org, parse_rules(VIP), author="test", parent=0)
        return handle

    async def mark(self, handle: ShopHandle, *customers: int) -> None:
        """Mark the customers, as a webhook does."""
        ids = [CustomerId(customer) for customer in customers]
        await dirty.mark_dirty_customers(
            self.stage.redis, OrgId(handle.org), ids, cause="test", lane="live", now_ms=self.stage.now_ms
        )

    async def drain(self, handle: ShopHandle, *, impatient: bool = False) -> None:
        """Drain the shop once."""
        await (self._impatient if impatient else self._patient)(OrgId(handle.org))

    async def state(self, handle: ShopHandle, name: str) -> str:
        """A field of the shop's state."""
        return (await self.stage.redis.hget(keys.shop(OrgId(handle.org), "state"), name) or b"").decode()

    async def waits(self, handle: ShopHandle, customer: int) -> bool:
        """Whether the customer is still marked."""
        key = keys.shop(OrgId(handle.org), f"mark:{customer}")
        return bool(await self.stage.redis.exists(key))

    async def attempts(self, handle: ShopHandle, customer: int) -> int:
        """How many failed attempts count against the customer."""
        key = keys.shop(OrgId(handle.org), f"mark:{customer}")
        return int(await self.stage.redis.hget(key, "attempts") or 0)

    async def letters(self, handle: ShopHandle, customer: int) -> list[str]:
        """The causes of the customer's open dead letters."""
        letters = await dead_letters.for_customer(self.stage.redis, OrgId(handle.org), CustomerId(customer))
        return sorted(letter.cause for letter in letters)


@asynccontextmanager
async def running_api() -> AsyncIterator[World]:
    """The stage with its store, for all rows."""
    with tempfile.TemporaryDirectory() as folder, valkey(Path(folder)) as url:
        redis = connect(url, timeout_s=60)
        async with staged(redis, rules="") as stage:
            address = (await stage.shops.get_or_raise(OrgId(stage.haravan.org))).api_url
            async with odd_api(address.removesuffix("/com")) as api:
                world = World(stage, api)
                world.other_shop = await world.open_shop()
                yield world
        await redis.aclose()


async def run(world: World, row: Row) -> Verdict:
    """One row, with shops of its own."""
    started_s = perf_counter()
    case = await Case.prepare(world, row)
    got, harmed = await case.play()
    return Verdict(TABLE, row.name, row.expected, got, harmed, milliseconds_since(started_s))


@dataclass(slots=True)
class Case:
    """The customers of one row."""

    world: World
    row: Row
    shop: ShopHandle
    victim: int
    neighbour: int
    other: int
    wanted: frozenset[str]

    @classmethod
    async def prepare(cls, world: World, row: Row) -> Case:
        """Create the shops and customers. For a removal, the customers have the tag first."""
        shop = await world.open_shop(admin=row.endpoint == "update")
        victim, neighbour = (shop.create(total_spent=20_000_000, tags=OWN) for _ in range(2))
        other = world.other_shop.create(total_spent=20_000_000, tags=OWN)
        wanted = frozenset({OWN, "VIP"})
        case = cls(world, row, shop, victim, neighbour, other, wanted)
        if row.endpoint == "remove":
            await world.mark(shop, victim, neighbour)
            await world.drain(shop)
            for customer in (victim, neighbour):
                shop.edit(customer, total_spent=5)
            case.wanted = frozenset({OWN})
        return case

    async def play(self) -> tuple[str, tuple[str, ...]]:
        """What came of the customer, and who else noticed."""
        world, row, harmed = self.world, self.row, []
        if row.endpoint == "count":  # only the probe of a shop whose token was rejected counts customers
            world.api.answer("list", self.victim, self.neighbour, TOKEN_REJECTED, 1)
        for answer in row.answers:
            world.api.answer(row.endpoint, self.victim, self.neighbour, answer, row.times)
        world.stage.clock.advance(REST_S)
        await world.mark(self.shop, self.victim, self.neighbour)
        await world.mark(world.other_shop, self.other)
        await self._drain()
        await world.drain(world.other_shop)
        if world.other_shop.tags(self.other) != {OWN, "VIP"}:
            harmed.append("a customer of another shop")
        if row.endpoint == "count":
            world.stage.clock.advance(301)
            await self._drain()
        if row.times == FOREVER:
            await self._until_settled()
            if self.shop.tags(self.neighbour) != self.wanted:
                harmed.append("another customer, while it lasted")
        first = await self._outcome()
        world.api.oddities.clear()
        if not await world.waits(self.shop, self.victim):
            await world.mark(self.shop, self.victim)
        await self._until_settled()
        last = await self._outcome()
        if self.shop.tags(self.neighbour) != self.wanted or await world.letters(self.shop, self.neighbour):
            harmed.append("another customer of the shop")
        if self.shop.tags(self.victim) - {"VIP"} != {OWN}:
            harmed.append("the customer's other tags")
        return (first if first == last else f"{first}, then {last}"), tuple(harmed)

    async def _drain(self) -> None:
        await self.world.drain(self.shop, impatient=self.row.impatient)

    async def _until_settled(self) -> None:
        """Drain with time in between until neither customer waits."""
        for step_s in STEPS_S:
            if not any(
                [await self.world.waits(self.shop, customer) for customer in (self.victim, self.neighbour)]
            ):
                return
            self.world.stage.clock.advance(step_s)
            await self._drain()

    async def _outcome(self) -> str:
        world, shop, victim = self.world, self.shop, self.victim
        if reason := await world.state(shop, "paused"):
            return f"shop paused ({reason})"
        if causes := await world.letters(shop, victim):
            return f"dead letter ({', '.join(causes)})"
        if await world.waits(shop, victim):
            return "retried" if await world.attempts(shop, victim) else "waits"
        return "right" if shop.tags(victim) == self.wanted else LEFT
