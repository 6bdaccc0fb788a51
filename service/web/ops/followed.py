"""Answers that take long can be followed: whoever would wait too long is told where the answer will be.

The same question, asked again before its answer was heard, by whichever web process, is not worked on twice: it gets
the answer, or is told again where that will be. So an asker that gave up, or a proxy that did, may just ask again.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from typing import Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.domain.customers import OrgId
from service.store import answers
from service.web.ops import late
from service.web.ops.answers import Answering
from service.web.ops.questions import Question, Reply, refusal
from service.web.ops.table import ANSWER, BY_NAME
from service.web.problems import Problem, problem_of

PATIENCE_S: Final = 25.0  # many clients give up after 30 s, proxies after 60
RENEW_S: Final = answers.LEASE_S / 3
AWAY: Final = 503  # nobody is at it any more


class Followed:
    """Hands questions to somebody who answers, however long that takes."""

    def __init__(self, redis: Redis, who: Answering, *, patience_s: float = PATIENCE_S) -> None:
        self._redis = redis
        self._who = who
        self._patience_s = patience_s
        self._at_work: set[asyncio.Task[Reply]] = set()

    async def answer(self, question: Question) -> Reply:
        """The reply, or the word that it will come; raises nothing."""
        try:
            if BY_NAME[question.operation].followed:
                return await self._followed(question)
            async with asyncio.timeout(self._patience_s):
                return await self._who.answer(question)
        except TimeoutError:
            return refusal(Problem(504, "it takes too long; nothing was changed: ask again"))
        except (RedisError, OSError) as exc:
            return refusal(problem_of(exc))

    async def heard(self, question: Question) -> None:
        """The reply is on its way to whoever asked."""
        with suppress(RedisError, OSError):
            await answers.heard(self._redis, _org(question), name_of(question))

    async def settled(self) -> None:
        """Wait until all that is under way was answered, for whoever answers ends it."""
        await asyncio.gather(*self._at_work, return_exceptions=True)

    async def _followed(self, question: Question) -> Reply:
        org, name = _org(question), name_of(question)
        if not await answers.begin(self._redis, org, name, what=question.operation):
            _, kept = await answers.look(self._redis, org, name)
            return late.unpack(kept).reply if kept else await self._promised(org, name, question)
        work = asyncio.create_task(self._work(org, name, question))
        self._at_work.add(work)
        work.add_done_callback(self._at_work.discard)
        done, _ = await asyncio.wait({work}, timeout=self._patience_s)
        return work.result() if done else await self._promised(org, name, question)

    async def _promised(self, org: OrgId, name: str, question: Question) -> Reply:
        await answers.promise(self._redis, org, name, what=question.operation)
        body = msgspec.json.encode(late.shown(name, question.operation, None))
        where = ANSWER.format(org=org, answer=name)
        return Reply(body, late.UNDER_WAY, headers={"Location": where, "Retry-After": "2"})

    async def _work(self, org: OrgId, name: str, question: Question) -> Reply:
        asking = asyncio.create_task(self._who.answer(question))
        while not (await asyncio.wait({asking}, timeout=RENEW_S))[0]:
            with suppress(RedisError, OSError):
                await answers.renew(self._redis, org, name)
        reply = asking.result()
        with suppress(RedisError, OSError):
            packed = late.pack(question.operation, reply)
            await answers.keep(self._redis, org, name, packed, again=reply.status == AWAY)
        return reply


def name_of(question: Question) -> str:
    """The same for the same question of the same asker."""
    said = msgspec.msgpack.encode(
        [question.operation, question.by, sorted(question.path.items()), question.body]
    )
    return hashlib.sha256(said).hexdigest()[:16]


def _org(question: Question) -> OrgId:
    return OrgId(str(question.path["org"]))
