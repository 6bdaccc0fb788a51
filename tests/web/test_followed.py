"""What takes long is answered later: the asker is told where, and asking again does nothing twice."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from arq.connections import ArqRedis
from starlette.applications import Starlette

from service.domain.customers import Customer, pack
from service.settings import Settings
from service.store import keys, runs
from service.store.shops import Shops
from service.store.versions import Versions
from service.web.ops.access import Access
from service.web.ops.answers import Here
from service.web.ops.beside import Beside
from service.web.ops.floor import Floor
from service.web.ops.followed import Followed, name_of
from service.web.ops.questions import Question, Reply, refusal
from service.web.ops.routes import routes
from service.web.problems import Problem
from tests.web.conftest import OPS_TOKEN, ORG

RULES = b'{"rules": "version: 1\\nrules: []\\n", "note": "x"}'
PUBLISH = Question("publish_rules", "an", {"org": ORG}, body=RULES)
REPLAY = Question("start_replay", "an", {"org": ORG}, body=b'{"everybody": true}')
HISTORY = Question("list_versions", "an", {"org": ORG})


class Slow:
    """Answers only once it may. Several web processes may have it in common, as they have the store."""

    def __init__(self, here: Here) -> None:
        self.may = asyncio.Event()
        self.asked = 0
        self._here = here

    async def answer(self, question: Question) -> Reply:
        self.asked += 1
        await self.may.wait()
        return await self._here.answer(question)


class Ended:
    """What is asked of a process that has ended."""

    async def answer(self, _: Question) -> Reply:
        return refusal(Problem(503, "it has ended"))


@pytest.fixture
async def here(redis: ArqRedis, shops: Shops) -> Here:
    client: Any = redis
    await client.hset(keys.shop(ORG, "snapshots"), "7", pack(Customer(id=7)))
    return Here(Floor(redis, shops, Versions(redis)))


@pytest.fixture
async def slow(here: Here) -> Slow:
    return Slow(here)


async def followed(here: Here, question: Question) -> Any:
    """What `Location` shows; None where nobody knows of it."""
    asked = Question("show_answer", "an", {"org": ORG, "answer": name_of(question)})
    reply = await here.answer(asked)
    return msgspec.json.decode(reply.body) if reply.status == 200 else None


async def test_what_takes_long_is_followed_to_its_answer(redis: ArqRedis, here: Here, slow: Slow) -> None:
    beside = Followed(redis, slow, patience_s=0)

    told = await beside.answer(PUBLISH)
    assert (told.status, told.headers["Location"]) == (
        202,
        f"/ops/v1/shops/{ORG}/answers/{name_of(PUBLISH)}",
    )
    waits = {"id": name_of(PUBLISH), "operation": "publish_rules", "status": 202, "answer": None}
    assert msgspec.json.decode(told.body) == await followed(here, PUBLISH) == waits
    slow.may.set()
    await beside.settled()

    for _ in range(2):
        done = await followed(here, PUBLISH)
        assert (done["status"], done["answer"]["version"]["number"]) == (200, 1)


async def test_a_stop_of_the_web_process_lets_what_is_under_way_come_to_its_answer(
    redis: ArqRedis, here: Here, settings: Settings
) -> None:
    process = Beside(settings, end_within_s=60)
    await process.answer(HISTORY)  # it has started
    beside = Followed(redis, process, patience_s=0)
    told = await beside.answer(PUBLISH)
    await asyncio.sleep(0)

    await process.stop()
    await beside.settled()

    assert told.status == 202
    assert (await followed(here, PUBLISH))["status"] == 200


async def test_a_refusal_that_comes_late_is_followed_too(redis: ArqRedis, here: Here, slow: Slow) -> None:
    question = msgspec.structs.replace(PUBLISH, body=b'{"rules": "version: 9"}')
    beside = Followed(redis, slow, patience_s=0)
    await beside.answer(question)
    slow.may.set()
    await beside.settled()

    told = await followed(here, question)

    assert told["status"] == told["answer"]["status"] == 400
    assert told["answer"]["problems"]


async def test_asked_again_of_another_web_process_it_is_not_done_twice(redis: ArqRedis, slow: Slow) -> None:
    one, other = Followed(redis, slow, patience_s=0), Followed(redis, slow, patience_s=0)

    first, meanwhile = await one.answer(REPLAY), await other.answer(REPLAY)
    slow.may.set()
    await one.settled()
    after = await other.answer(REPLAY)
    await other.heard(REPLAY)
    again = await Followed(redis, slow).answer(REPLAY)

    assert [first.status, meanwhile.status, after.status, again.status] == [202, 202, 200, 200]
    made = [msgspec.json.decode(each.body)["run"]["id"] for each in (after, again)]
    assert made == ["R1", "R2"]  # heard once, the same request is a new one
    assert slow.asked == 2


async def test_another_question_or_another_asker_is_another_matter(redis: ArqRedis, slow: Slow) -> None:
    beside = Followed(redis, slow, patience_s=0)
    others = [
        REPLAY,
        msgspec.structs.replace(REPLAY, by="binh"),
        msgspec.structs.replace(REPLAY, body=b'{"everybody": true, "dry_run": true}'),
        msgspec.structs.replace(REPLAY, path={"org": "1000000002"}),
    ]

    for each in others:
        await beside.answer(each)
    slow.may.set()
    await beside.settled()

    assert slow.asked == len(others)


async def test_of_a_process_that_ended_it_may_be_asked_again_at_once(
    redis: ArqRedis, here: Here, slow: Slow
) -> None:
    slow.may.set()
    assert (await Followed(redis, Ended()).answer(PUBLISH)).status == 503
    assert (await followed(here, PUBLISH))["status"] == 503

    assert (await Followed(redis, slow).answer(PUBLISH)).status == 200


async def test_a_question_whose_web_process_died_is_free_again_within_its_lease(
    redis: ArqRedis, here: Here, slow: Slow
) -> None:
    died = Followed(redis, slow, patience_s=0)
    await died.answer(REPLAY)
    asked = keys.shop(ORG, f"asked:{name_of(REPLAY)}")
    assert 0 < await redis.ttl(asked) <= 30

    await redis.delete(asked)

    assert await followed(here, REPLAY) is None
    slow.may.set()
    assert (await Followed(redis, slow).answer(REPLAY)).status == 200
    await died.settled()


async def test_what_only_looks_is_refused_when_it_takes_too_long(redis: ArqRedis, slow: Slow) -> None:
    reply = await Followed(redis, slow, patience_s=0).answer(HISTORY)

    assert reply.status == 504
    assert not [*await redis.keys("*asked*"), *await redis.keys("*answer*")]


@pytest.mark.parametrize("left", [True, False], ids=["the asker has left", "the asker waits"])
async def test_an_answer_that_nobody_waited_for_is_there_for_whoever_asks_again(
    redis: ArqRedis, here: Here, left: bool
) -> None:
    beside = Followed(redis, here)
    app = Starlette(routes=[*routes(here, beside, Access({"an": OPS_TOKEN}))])

    for leaves in (left, False, False):
        await posted(app, f"/ops/v1/shops/{ORG}/replays", REPLAY.body, leaves=leaves)

    made = [run.id for run in await runs.latest(redis, ORG)]
    assert made == (["R2", "R1"] if left else ["R3", "R2", "R1"])


async def posted(app: Starlette, path: str, body: bytes, *, leaves: bool) -> None:
    """POST a body; who leaves does so as soon as it is sent."""
    heard = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if heard:
            return heard.pop()
        if not leaves:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        pass

    headers = [(b"authorization", f"Bearer {OPS_TOKEN}".encode()), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
    }
    await app(scope, receive, send)
