"""A request that is sent again with its `Idempotency-Key` gets the first answer, and changes nothing."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from service.domain.access import Role
from service.store.access import answers
from service.store.client import SERVICE, RedisClient, keys
from service.store.history import audit_log
from service.web.ops.contract.idempotency import parse_key
from service.web.problems import Problem
from tests.support.shop import OPS_TOKEN, ORG
from tests.web.ops.conftest import API, audit_entries, store_token

KEY = {"Idempotency-Key": '"8e03978e-40d5-43e8-bc93-6e4f5b1e4c2a"'}
PAUSE = {"reason": "kiểm tra"}


async def test_a_repeated_request_gets_the_first_answer_and_no_second_entry(
    ops: httpx2.AsyncClient, redis: RedisClient
) -> None:
    first = await ops.post(f"{API}/pause", json=PAUSE, headers=KEY)
    await ops.post(f"{API}/resume")
    bare = {"Idempotency-Key": KEY["Idempotency-Key"].strip('"')}
    again = await ops.post(f"{API}/pause", json=PAUSE, headers=bare)

    assert (again.status_code, again.content) == (200, first.content)
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert await audit_entries(redis) == [("an", "resume"), ("an", "pause")]


async def test_a_key_with_another_request_is_refused(ops: httpx2.AsyncClient, redis: RedisClient) -> None:
    await ops.post(f"{API}/pause", json=PAUSE, headers=KEY)

    other_body = await ops.post(f"{API}/pause", json={"reason": "khác"}, headers=KEY)
    other_path = await ops.post(f"{API}/resume", headers=KEY)

    assert (other_body.status_code, other_path.status_code) == (422, 422)
    assert other_path.json()["type"] == "/ops/problems#idempotency-key-reused"
    assert await audit_entries(redis) == [("an", "pause")]


async def test_a_request_in_progress_is_not_begun_again(ops: httpx2.AsyncClient, redis: RedisClient) -> None:
    both = await asyncio.gather(*(ops.post(f"{API}/resume", headers=KEY) for _ in range(2)))

    refused = [each for each in both if each.status_code == 409]
    assert len(await audit_entries(redis)) == 1
    assert all(each.headers["retry-after"] == "2" for each in refused)
    assert {each.status_code for each in both} <= {200, 409}


async def test_a_request_whose_process_died_is_in_progress(
    ops: httpx2.AsyncClient, redis: RedisClient
) -> None:
    await ops.post(f"{API}/resume", headers=KEY)
    [name] = await redis.keys(keys.shop(SERVICE, "answer:*"))
    owner, digest = name.decode().split(":")[-2:]
    kept = answers.Answer((await answers.begin(redis, owner, digest, b"", now_ms=1)).fingerprint)  # type: ignore[union-attr]  # it is kept
    await answers.complete(redis, owner, digest, kept, now_ms=1)

    refused = await ops.post(f"{API}/resume", headers=KEY)

    assert refused.json()["type"] == "/ops/problems#request-in-progress"


async def test_a_refusal_is_repeated_and_an_error_of_the_service_is_not(
    ops: httpx2.AsyncClient, redis: RedisClient
) -> None:
    refused = await ops.post(f"{API}/shadow/disable", json={}, headers=KEY)
    await ops.post(f"{API}/shadow")
    again = await ops.post(f"{API}/shadow/disable", json={}, headers=KEY)
    shops = keys.shop(ORG, "state")
    await redis.delete(shops)
    await redis.set(shops, "not a hash")
    failed = await ops.post(f"{API}/resume", headers={"Idempotency-Key": "k2"})
    await redis.delete(shops)
    done = await ops.post(f"{API}/resume", headers={"Idempotency-Key": "k2"})

    assert (refused.status_code, again.content) == (409, refused.content)
    assert (failed.status_code, done.status_code) == (503, 200)


async def test_keys_belong_to_a_token_and_its_answers_are_sealed(
    ops: httpx2.AsyncClient, redis: RedisClient
) -> None:
    made = await ops.post("/ops/v1/tokens", json={"name": "bao-cao", "role": "viewer"}, headers=KEY)
    again = await ops.post("/ops/v1/tokens", json={"name": "bao-cao", "role": "viewer"}, headers=KEY)
    [name] = await redis.keys(keys.shop(SERVICE, "answer:*"))
    stored = await redis.get(name)
    ops.headers.update(await store_token(redis, Role.OPS))
    other = await ops.post(f"{API}/resume", headers=KEY)

    assert again.json()["secret"] == made.json()["secret"]
    assert (other.status_code, "idempotency-replayed" in other.headers) == (200, False)
    assert b"tagger_bao-cao" not in stored
    assert [row.entry.action for row in await audit_log.list_entries(redis)] == ["add_token"]


async def test_the_newest_answers_of_a_token_are_kept(
    ops: httpx2.AsyncClient, redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MAX_ANSWERS", 2)
    for number in range(4):
        await ops.post(f"{API}/resume", headers={"Idempotency-Key": f"k{number}"})

    newest = await ops.post(f"{API}/resume", headers={"Idempotency-Key": "k3"})
    oldest = await ops.post(f"{API}/resume", headers={"Idempotency-Key": "k0"})

    assert ("idempotency-replayed" in newest.headers, "idempotency-replayed" in oldest.headers) == (
        True,
        False,
    )
    assert len(await redis.keys(keys.shop(SERVICE, "answer:*"))) == 2


@pytest.mark.parametrize("text", ["", '""', "a b", "x" * 256, "é"])
def test_a_key_that_cannot_be_parsed_is_refused(text: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_key(text, bearer=OPS_TOKEN)

    assert refused.value.kind == "invalid-header"
