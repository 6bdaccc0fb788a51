"""The real scripts do what the model says: every state and call of small scopes, run on a real Valkey."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from service.domain.customers.customer import OrgId
from service.store.client import RedisClient
from service.store.queue.dirty import Lane
from tests.model import concrete
from tests.model import store as model
from tests.model.explore import explore
from tests.model.scopes import REFINED
from tests.model.store import Call, Mark, Permit, Settle, Store

Pair = tuple[Store, Call]
BATCH_SIZE = 500


@cache
def reached() -> list[Pair]:
    """Every distinct state and call of the scopes, with the variants of the call that are refused."""
    pairs: set[Pair] = set()
    for scope in REFINED:
        calls: set[Pair] = set()
        explore(replace(scope, calls=calls))
        pairs |= {(_ageless(store), each) for store, call in calls for each in _variants(call)}
    return sorted(pairs, key=repr)


def _ageless(store: Store) -> Store:
    """The state without the age of a plan, which is an argument of the permit and not stored."""
    return store._replace(plan=store.plan and store.plan._replace(stale=False, begun=False))


def _variants(call: Call) -> Iterator[Call]:
    yield call
    if isinstance(call, Mark):
        yield call._replace(in_cooldown=True)
        return
    yield call._replace(held=False)
    if isinstance(call, Settle | Permit):
        yield call._replace(is_current=False)
        yield call._replace(version=call.version + 1)
        yield call._replace(in_cooldown=True)
    if isinstance(call, Permit):
        yield call._replace(stale=True)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("lane", ["live", "bulk"])
async def test_the_scripts_do_what_the_model_says(redis: RedisClient, lane: Lane) -> None:
    pairs = reached()

    differ = []
    for start in range(0, len(pairs), BATCH_SIZE):
        differ += await _differences(redis, pairs[start : start + BATCH_SIZE], lane)

    assert len(pairs) > 1000, "the scopes reach more than that"
    assert not differ, f"{len(differ)} of {len(pairs)}; the first: {differ[0]}"


async def _differences(redis: RedisClient, pairs: list[Pair], lane: Lane) -> list[str]:
    orgs = [OrgId(str(number)) for number in range(len(pairs))]
    await redis.flushall()
    async with redis.pipeline(transaction=False) as pipe:
        for org, (store, call) in zip(orgs, pairs, strict=True):
            concrete.write(pipe, org, store, call, lane)
        await pipe.execute()
    outcomes = [
        await concrete.make(redis, org, call, lane) for org, (_, call) in zip(orgs, pairs, strict=True)
    ]
    async with redis.pipeline(transaction=False) as pipe:
        for org in orgs:
            concrete.ask(pipe, org)
        answers = await pipe.execute()
    width = concrete.ANSWERS
    return [
        said
        for i, (pair, outcome) in enumerate(zip(pairs, outcomes, strict=True))
        if (said := _difference(pair, outcome, answers[i * width : (i + 1) * width]))
    ]


def _difference(pair: Pair, outcome: str, answers: list[object]) -> str:
    store, call = pair
    after, wanted = model.run(store, call)
    anew = wanted == "marked" or (
        wanted == "done" and isinstance(call, Settle) and call.op == "complete" and call.again
    )
    try:
        found, is_new = concrete.read_back(answers, after)
        found = _ageless(found)
    except AssertionError as exc:
        return f"{store} {call}: {exc}"
    if (outcome, found, is_new) == (wanted, _ageless(after), anew):
        return ""
    return f"\n{store}\n{call}\nmodel {wanted} new={anew} {_ageless(after)}\nredis {outcome} new={is_new} {found}"
